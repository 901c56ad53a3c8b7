"""What every training run keeps of itself: what was asked for, its split, and its model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleiseg.atomic import saving
from napari_nucleiseg.config import RecipeConfig, TrainConfig, changed_values
from napari_nucleiseg.dataset import read_labels, read_sample_image
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.folder_entries import entries_in
from napari_nucleiseg.json_files import read_json, write_json
from napari_nucleiseg.layouts import Sample
from napari_nucleiseg.learned import dataset_of, learned_by
from napari_nucleiseg.lock import RunLock
from napari_nucleiseg.model_check import check_name, is_split
from napari_nucleiseg.models import Model, check_place, write_model
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.run_folder import (
    CHECKPOINTS,
    CURRENT,
    CURVES,
    MODEL,
    OFFERED,
    PICTURES,
    REPORT,
    RUN,
    SPLIT,
    TENSORBOARD,
)
from napari_nucleiseg.splits import LEARNED, TRAIN, VALIDATION, Split

if TYPE_CHECKING:
    from napari_nucleiseg.nn.augment import Example
    from napari_nucleiseg.nn.training import Trained

_WRITTEN = (RUN, MODEL, CURVES, REPORT, CHECKPOINTS, PICTURES, TENSORBOARD)
PACKAGES = ("keras", "tensorflow", "numpy", "onnx", "tf2onnx", "onnxruntime", "opencv-python")


@dataclass(frozen=True)
class Request:
    """What to train on, and where to.

    Attributes
    ----------
    dataset : str
        Path of a dataset with masks.
    out : str
        Folder of the run.
    config : TrainConfig or RecipeConfig
    start : str
        Name or path of the model to start from; empty for none.
    name : str
        Of the new model; the folder's name by default.
    table : str
        A csv file of samples; found beside the dataset when empty.
    """

    dataset: str
    out: str
    config: TrainConfig | RecipeConfig
    start: str = ""
    name: str = ""
    table: str = ""


@contextmanager
def writing_alone(out: Path) -> Iterator[None]:
    """Keep other trainings out of the folder of a run, which is made.

    Raises
    ------
    BadInput
        If another training writes there, or nobody can.
    """
    is_new = not os.path.lexists(out)
    if not is_new and not os.path.isdir(out):
        raise BadInput(f"{out} is a file, and a run needs a folder; name another path.")
    with saving(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        with RunLock.acquire(out):
            yield
    finally:
        if is_new:
            with suppress(OSError):  # it stays if anything was written
                out.rmdir()


def keep_record(
    request: Request, samples: Sequence[Sample], split_now: Callable[[], Split]
) -> Split:
    """Write down what a run is, and split its samples once and for all.

    Parameters
    ----------
    request : Request
    samples : sequence of Sample
        Those of the dataset.
    split_now : callable
        Asked when a run begins; one that is gone on with stays split as it was.

    Returns
    -------
    dict of str to tuple of Sample

    Raises
    ------
    BadInput
        If the run was begun with another start or config, its split names samples that are
        missing, its model's name is none, or the folder holds files that no run has written:
        better now than when all is trained.
    """
    check_name(_model_name(request))
    out = Path(request.out)
    with saving(out):
        check_place(out / MODEL)
    if (out / SPLIT).exists():
        _check_same_run(request)
        split = _read_split(samples, out / SPLIT)
    else:
        _check_new(out)
        split = split_now()
        if not split[TRAIN]:
            raise BadInput(
                "There is no image to train on: images need masks, labels that somebody "
                "corrected, or an approval, and those for testing and their fields are left out."
            )
        with saving(out):
            out.mkdir(parents=True, exist_ok=True)
        write_json(out / SPLIT, _ids(split))
    write_json(out / RUN, _describe(request, split))
    return split


def note_newcomers(out: Path, samples: Sequence[Sample], split: Split) -> str:
    """Say how many samples a run that was begun without them does not learn from.

    Parameters
    ----------
    out : Path
        Folder of the run. The first time, the samples' ids are written down there.
    samples : sequence of Sample
        All with a truth.
    split : dict of str to tuple of Sample
        Those of the run. What is in it, and test samples, are no newcomers.

    Returns
    -------
    str
        Empty where there are none.
    """
    before = read_json(out / OFFERED)
    if not isinstance(before, list):
        write_json(out / OFFERED, [each.id for each in samples])
        return ""
    known = {*map(str, before), *(each.id for part in split.values() for each in part)}
    count = sum(each.id not in known and each.split != "test" for each in samples)
    if not count:
        return ""
    images, them = ("1 image that has labels is", "it")
    if count > 1:
        images, them = (f"{count} images that have labels are", "them")
    return (
        f"{images} not part of this run, which was begun without {them}: begin a new one to learn "
        f"from {them}."
    )


def _check_new(out: Path) -> None:
    """Refuse a folder in which a run would write over or among what is none of a run.

    A log or a list of ids may stand there: people put them beside what they belong to.
    """
    theirs = [name for name in _WRITTEN if os.path.lexists(out / name)]
    theirs += [each.name for part in entries_in(out)[:2] for each in part]
    if theirs:
        raise BadInput(
            f"{out} holds {theirs[0]} but no {SPLIT}, so no run was begun there; name another "
            "folder."
        )


def _check_same_run(request: Request) -> None:
    """Refuse to go on with what was learned from another start, or with another config."""
    out = Path(request.out)
    if not (out / CURRENT).exists():
        return
    told = read_json(out / RUN)
    before = told.get("config") if isinstance(told, dict) else None
    if not isinstance(before, dict):
        return  # the checkpoint knows the config too
    starts = told.get("start") or "nothing", Path(request.start).name or "nothing"
    values = changed_values(before, request.config)
    if starts[0] != starts[1]:
        values["start"] = starts
    changed = [f"{name} ({was}, now {now})" for name, (was, now) in values.items()]
    if changed:
        raise BadInput(
            f"{out} holds a run begun with other values of: {', '.join(changed)}; give the same "
            "to go on with it, or another folder to begin a new one."
        )


def _read_split(samples: Sequence[Sample], path: Path) -> Split:
    by_id = {each.id: each for each in samples}
    before = read_json(path)
    if not is_split(before) or not {TRAIN, VALIDATION} <= before.keys():
        raise BadInput(
            f"{path} does not tell which samples are trained and validated on; restore it, or "
            "train into another folder."
        )
    missing = [each for ids in before.values() for each in ids if each not in by_id]
    if missing:
        raise BadInput(
            f"{path} names {missing[0]}, which is not in the dataset; open the dataset that "
            "the run was begun with, or train into another folder."
        )
    return {name: tuple(by_id[each] for each in ids) for name, ids in before.items()}


def read_examples(samples: Sequence[Sample]) -> Generator[Progress, None, list[Example]]:
    """Read annotated samples; returns a list of Example, without the unusable ones."""
    from napari_nucleiseg.nn.augment import example

    examples: list[Example] = []
    for done, sample in enumerate(samples, start=1):
        try:
            image = read_sample_image(sample)
            labels = read_labels(sample, image.shape[:2])
            if labels is not None:
                examples.append(example(sample.id, image, labels, sample.modality))
        except BadInput as error:
            values = {"id": sample.id, "error": str(error)}
            yield Progress(done, len(samples), str(error), "problem", values)
            continue
        yield Progress(done, len(samples), "Reading images", "read")
    return examples


def write_trained(
    request: Request,
    split: Split,
    trained: Trained,
    diameter: float,
    source: Model | None,
) -> Path:
    """Write the model folder of a run, with its ONNX graph.

    Parameters
    ----------
    request : Request
    split : dict of str to tuple of Sample
    trained : Trained
    diameter : float
        Of the nuclei that were learned from, see `typical_diameter` [px].
    source : Model, or None
        Whose weights it started from, all or the encoder's: what that one knows, it knows.
    """
    from napari_nucleiseg.nn.export import network_to_onnx
    from napari_nucleiseg.nn.networks import build_network
    from napari_nucleiseg.nn.weights import set_weights

    network = build_network(request.config.network)
    set_weights(network, trained.weights)
    graph = network_to_onnx(network)
    folder = Path(request.out) / MODEL
    with saving(folder):
        write_model(
            folder,
            network=request.config.network,
            weights=trained.weights,
            graph=graph,
            decode=trained.decode,
            diameter=diameter,
            name=_model_name(request),
            training={
                **_describe(request, split),
                "learned": _learned(request, split, source),
                "steps": trained.steps,
            },
            scores=trained.scores,
            versions=_versions(),
        )
    return folder


def typical_diameter(diameters: Iterable[float | None]) -> float:
    """Give the median of the images' diameters [px]; None are those without nuclei."""
    from napari_nucleiseg.nn.augment import NO_NUCLEI

    found = [each for each in diameters if each is not None]
    return float(np.median(found)) if found else NO_NUCLEI


def _learned(request: Request, split: Split, source: Model | None) -> dict[str, int | None]:
    """List all that the model knows, from its own training and from those before it."""
    is_same = dataset_of(source) == Path(request.dataset).name
    before = {
        name: size for name, size in learned_by(source).items() if is_same or size is not None
    }
    return {**before, **_sizes(split)}


def _model_name(request: Request) -> str:
    return request.name or Path(request.out).name


def _describe(request: Request, split: Split) -> dict[str, Any]:
    """Describe a run without paths of this machine."""
    return {
        "dataset": Path(request.dataset).name,
        "start": Path(request.start).name,
        "config": dataclasses.asdict(request.config),
        "split": _ids(split),
        "image_bytes": _sizes(split),
        "data_sha256": _hash_of(split),
        "versions": _versions(),
    }


def _ids(split: Split) -> dict[str, list[str]]:
    return {name: [each.id for each in part] for name, part in split.items()}


def _sizes(split: Split) -> dict[str, int]:
    """Give the file size [bytes] of each image learned from, by its id."""
    learned = [each for part in LEARNED for each in split.get(part, ())]
    return {each.id: each.image_path.stat().st_size for each in learned}


def _hash_of(split: Split) -> str:
    """Hash the names and sizes of the files that were learned from."""
    digest = hashlib.sha256()
    for name in sorted(split):
        for each in split[name]:
            sizes = [path.stat().st_size for path in (each.image_path, *sorted(each.mask_paths))]
            digest.update(json.dumps([name, each.id, sizes]).encode())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("napari-nucleiseg", *PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
