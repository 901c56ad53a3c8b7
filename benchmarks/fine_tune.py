"""Fine-tune on a few corrected images of a kind that a model is bad at, and see what it brings.

Only images of fields that the model has not learned from are used: half of these fields give
the corrected images, the other half the scores, and then the other way round. A count that
no half has is taken from all fields but one, which gives the scores. What the model has been
good at is scored before and after, because it must not unlearn::

    python benchmarks/fine_tune.py stage1_train --table samples.csv --freeze --out runs

``--relief`` takes a kind of image that the model knows nothing of: fluorescence images that it
has not learned from, with their masks, turned into reliefs as of differential interference
contrast. The nuclei are real, the optics are not.

``--base-steps`` first trains the network to start from, without any image of the modality, so
that all of these are new to it::

    python benchmarks/fine_tune.py stage1_train --table samples.csv --freeze --out runs \
        --base-steps 2500
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from napari_nucleiseg.atomic import write_bytes_atomically
from napari_nucleiseg.config import PredictConfig, TrainConfig
from napari_nucleiseg.dataset import read_dataset, read_sample_image
from napari_nucleiseg.fields import find_fields
from napari_nucleiseg.jobs import evaluate
from napari_nucleiseg.models import Model, find_model
from napari_nucleiseg.overlay import encode_png
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.presets import Preset, preset_config
from napari_nucleiseg.run_folder import MODEL
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.splits import MOST_OLD
from napari_nucleiseg.train_job import TrainRequest, train

FEW_FIELDS = 6  # of so few, each is held out alone to learn from more


@dataclass(frozen=True)
class Trial:
    """Which fields are learned from, and how many images of them; the others judge."""

    name: str
    count: int
    learned: tuple[str, ...]
    judged: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """Scores by sample id, (AP .5, AP .7), and how long it took."""

    trial: str
    count: int
    trained: int
    old: int
    best_step: int
    minutes: float
    cpu_minutes: float
    judged: dict[str, tuple[float, float]]
    kept: dict[str, tuple[float, float]]


def main() -> None:
    """Read the command line and run all trials."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--table", default="")
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--modality", default="stained", help="what the model is bad at")
    parser.add_argument("--known", default="fluorescence", help="what it must not unlearn")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 3, 10, 30])
    parser.add_argument("--preset", type=Preset, default=Preset.QUICK)
    parser.add_argument("--freeze", action="store_true", help="train the decoder only")
    parser.add_argument("--without-old", action="store_true", help="mix no old images in")
    parser.add_argument("--relief", action="store_true", help="make a kind of image that is new")
    parser.add_argument("--base-steps", type=int, help="train what to start from so long")
    parser.add_argument("--trials", type=int, help="so many; the first ones cover all counts")
    parser.add_argument("--out", type=Path, required=True)
    run(parser.parse_args())


def run(arguments: argparse.Namespace) -> None:
    """Run the trials and print what each brings."""
    samples = read_dataset(arguments.dataset, table=arguments.table or None).samples
    is_made = arguments.base_steps is not None
    model = base_model(samples, arguments) if is_made else find_model(arguments.model)
    fields = find_fields(samples)
    unseen = unseen_fields(model, samples, fields)
    validation = set(model.info["training"]["split"]["validation"])
    known = [s for s in samples if s.modality == arguments.known and s.id in validation]
    new = [s for s in samples if s.modality == arguments.modality and fields[s.id] in unseen]
    if arguments.relief:
        learned = set(model.info["training"]["split"]["train"])
        old = [s for s in samples if s.id in learned][:: len(learned) // MOST_OLD]
        new = make_relief(known, old, fields, arguments)
        fields = {each.id: each.field for each in new}
    names = sorted({fields[s.id] for s in new})
    by_field = {name: [s for s in new if fields[s.id] == name] for name in names}
    print(f"{len(new)} unseen {arguments.modality} images of {len(by_field)} fields:", end=" ")
    print(", ".join(f"{name} ({len(those)})" for name, those in by_field.items()))
    print(f"{len(known)} {arguments.known} images to remember; {os.cpu_count()} cores", flush=True)
    before = {**scores(model, new), **scores(model, known)}
    outcomes = []
    for trial in trials(by_field, arguments.counts)[: arguments.trials]:
        outcomes.append(fine_tune(trial, by_field, known, model, arguments))
        print_outcome(outcomes[-1], before, known)
    print_table(outcomes, before)
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = {"before": before, "outcomes": [asdict(each) for each in outcomes]}
    (arguments.out / "fine_tune.json").write_text(json.dumps(results, indent=1))


def base_model(samples: Iterable[Sample], arguments: argparse.Namespace) -> Model:
    """Train a network on all other modalities, or find the one that was trained before."""
    out = arguments.out / "base"
    if not (out / MODEL).exists():
        request = TrainRequest(
            dataset=arguments.dataset,
            out=str(out),
            config=TrainConfig(steps=arguments.base_steps, epoch_steps=500, validation=0.12),
            table=arguments.table,
            only=tuple(each.id for each in samples if each.modality != arguments.modality),
        )
        for step in train(request):
            if step.kind == "epoch":
                print(f"base, step {step.done}: {step.values['ap']}", flush=True)
    return find_model(str(out / MODEL))


def unseen_fields(model: Model, samples: Iterable[Sample], fields: dict[str, str]) -> set[str]:
    """Fields that the model has not learned from and that are not kept for the last test."""
    learned = set(model.info["training"]["split"]["train"])
    spoiled = {fields[s.id] for s in samples if s.id in learned or s.split == "test"}
    return set(fields.values()) - spoiled


def make_relief(
    samples: Sequence[Sample],
    old: Sequence[Sample],
    fields: dict[str, str],
    arguments: argparse.Namespace,
) -> list[Sample]:
    """Write reliefs of samples, and some old samples beside them, as a dataset of its own."""
    folder = arguments.out / "relief" / Path(arguments.dataset).name
    rows = ["id,modality,field"]
    for each in old:
        copy(each, folder / each.id)
        rows.append(f"{each.id},{each.modality},{fields[each.id]}")
    for each in samples:
        name = f"relief-{each.id}"
        copy(each, folder / name)
        picture = relief(read_sample_image(each))
        write_bytes_atomically(folder / name / "images" / f"{name}.png", encode_png(picture))
        rows.append(f"{name},relief,{fields[each.id]}")
    table = folder.parent / "samples.csv"
    table.write_text("\n".join(rows))
    arguments.dataset, arguments.table, arguments.modality = str(folder), str(table), "relief"
    found = read_dataset(folder, table=table).samples
    return [each for each in found if each.modality == "relief"]


def copy(sample: Sample, folder: Path) -> None:
    """Copy a sample in the layout of DSB2018, but for an image that gets another name."""
    for path in sample.mask_paths:
        (folder / "masks").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "masks")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    if folder.name == sample.id:
        shutil.copy(sample.image_path, folder / "images")


def relief(image: np.ndarray) -> np.ndarray:
    """Light from one side: the slope of the smoothed image, on grey, with some noise."""
    grey = image.reshape(*image.shape[:2], -1)[..., :3].mean(axis=2)
    low, high = np.percentile(grey, (1, 99.8))
    smooth = ndimage.gaussian_filter(np.sqrt(np.clip((grey - low) / max(high - low, 1), 0, 1)), 1)
    slope = np.roll(smooth, (2, 2), (0, 1)) - np.roll(smooth, (-2, -2), (0, 1))
    noise = np.random.default_rng(0).normal(0, 0.02, grey.shape)
    drawn = np.clip((0.5 + 0.6 * slope + noise) * 255, 0, 255).astype(np.uint8)
    return np.repeat(drawn[..., None], 3, axis=2)


def trials(by_field: dict[str, list[Sample]], counts: Sequence[int]) -> list[Trial]:
    """Both halves of the fields in turn, then all but one of them for the larger counts."""
    by_size = sorted(by_field, key=lambda name: (-len(by_field[name]), name))
    halves = [tuple(by_size[start::2]) for start in (0, 1)]
    found = []
    for half in halves:
        others = tuple(name for name in by_size if name not in half)
        most = sum(len(by_field[name]) for name in half)
        possible = sorted({min(each, most) for each in counts})
        found += [Trial(f"half of {half[0]}", count, half, others) for count in possible]
    largest = max(trial.count for trial in found)
    for judge in by_size if len(by_size) <= FEW_FIELDS else ():
        rest = tuple(name for name in by_size if name != judge)
        most = sum(len(by_field[name]) for name in rest)
        reached = [count for count in counts if largest < count <= most]
        found += [Trial(f"all but {judge}", count, rest, (judge,)) for count in reached]
    return [trial for turn in _turns(found) for trial in turn]


def _turns(found: Sequence[Trial]) -> Iterator[list[Trial]]:
    """One trial of each count first, so that a run that is cut short says something of all."""
    left = sorted(found, key=lambda trial: -trial.count)
    while left:
        turn = list({trial.count: trial for trial in reversed(left)}.values())
        left = [trial for trial in left if trial not in turn]
        yield turn[::-1]


def pick(by_field: dict[str, list[Sample]], trial: Trial) -> list[Sample]:
    """Take images of the fields in turn, as somebody would who wants to cover them."""
    queues = [list(by_field[name]) for name in trial.learned]
    found: list[Sample] = []
    while len(found) < trial.count:
        for queue in queues:
            if queue and len(found) < trial.count:
                found.append(queue.pop(0))
    return found


def fine_tune(
    trial: Trial,
    by_field: dict[str, list[Sample]],
    known: Sequence[Sample],
    model: Model,
    arguments: argparse.Namespace,
) -> Outcome:
    """Train as the dock would, and score what comes of it."""
    name = f"{trial.name.replace(' ', '-')}-{trial.count}"
    config = preset_config(arguments.preset, model.network, freeze_encoder=arguments.freeze)
    request = TrainRequest(
        dataset=arguments.dataset,
        out=str(arguments.out / name),
        config=config,
        start=str(model.folder),
        table=arguments.table,
        only=tuple(each.id for each in pick(by_field, trial)),
        mix_old=not arguments.without_old,
    )
    import napari_nucleiseg.nn.training  # noqa: F401  (the dock has imported it by then, too)

    began, cpu = time.perf_counter(), time.process_time()
    *_, last = train(request)
    minutes, cpu_minutes = (
        (time.perf_counter() - began) / 60,
        (time.process_time() - cpu) / 60,
    )
    trained = find_model(last.values["model"])
    split = trained.info["training"]["split"]
    judged = [each for name in trial.judged for each in by_field[name]]
    return Outcome(
        trial.name,
        trial.count,
        len(split["train"]),
        len(split["old"]),
        trained.info["scores"]["best_step"],
        minutes,
        cpu_minutes,
        scores(trained, judged),
        scores(trained, known),
    )


def scores(model: Model, samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """AP .5 and .7 of each sample, by its id."""
    steps = evaluate(samples, Predictor(model), PredictConfig(), model.decode)
    found = (step.values for step in steps if step.kind == "sample")
    return {each["id"]: (each["scores"].ap[0], each["scores"].ap[4]) for each in found}


# --- showing


def print_outcome(
    outcome: Outcome, before: dict[str, tuple[float, float]], known: Sequence[Sample]
) -> None:
    """One line a trial, as soon as it is there."""
    old, new = mean(before[each] for each in outcome.judged), mean(outcome.judged.values())
    kept_old, kept = mean(before[each.id] for each in known), mean(outcome.kept.values())
    print(
        f"{outcome.trial}, {outcome.count} images ({outcome.trained} learned from, "
        f"{outcome.old} old ones, best at step {outcome.best_step}): "
        f"AP .5/.7 {old[0]:.3f}/{old[1]:.3f} -> {new[0]:.3f}/{new[1]:.3f}, known AP .5 "
        f"{kept_old[0]:.3f} -> {kept[0]:.3f}, {outcome.minutes:.1f} min "
        f"({outcome.cpu_minutes:.1f} min of processor)",
        flush=True,
    )


def print_table(outcomes: Sequence[Outcome], before: dict[str, tuple[float, float]]) -> None:
    """One row a count: means over all images that were judged with it."""
    print("\n| corrected | judged | AP .5 | AP .7 | known AP .5 | minutes |")
    print("|---|---|---|---|---|---|")
    for count in sorted({each.count for each in outcomes}):
        those = [each for each in outcomes if each.count == count]
        new = mean(score for each in those for score in each.judged.values())
        old = mean(before[name] for each in those for name in each.judged)
        kept = mean(score for each in those for score in each.kept.values())
        kept_old = mean(before[name] for each in those for name in each.kept)
        judged = sum(len(each.judged) for each in those)
        minutes = np.mean([each.minutes for each in those])
        print(
            f"| {count} | {judged} | {old[0]:.3f} → {new[0]:.3f} | {old[1]:.3f} → {new[1]:.3f} "
            f"| {kept_old[0]:.3f} → {kept[0]:.3f} | {minutes:.1f} |"
        )


def mean(pairs: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Mean of each of the two scores."""
    first, second = np.mean(list(pairs), axis=0)
    return float(first), float(second)


if __name__ == "__main__":
    main()
