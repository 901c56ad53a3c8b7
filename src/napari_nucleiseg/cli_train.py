"""The commands that make models: ``nucleiseg train`` and ``nucleiseg import``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import warnings
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucleiseg.cli_base import (
    OK,
    SKIPPED,
    WrongOption,
    add_config,
    complain,
    config_of,
    flag_of,
    folder_name,
    print_table,
    read_ids,
    say,
    with_bar,
    with_values,
)
from napari_nucleiseg.config import NETWORKS, RECIPES, RecipeConfig, TrainConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.presets import Preset, preset_config
from napari_nucleiseg.time_left import TimeLeft

if TYPE_CHECKING:
    from napari_nucleiseg.dataset import Dataset
    from napari_nucleiseg.progress import Progress
    from napari_nucleiseg.train_job import TrainRequest


_NO_GAIN = (
    "No validation was better than the start: this model is the same as {}. Correct more images "
    "of the kind that fails, and train again{}."
)
_ALONE = "; --corrected trains on corrected images alone"
_AP = (
    "AP .5/.7/.9 is, of all nuclei that are drawn or found, the share that is both: overlapping "
    "by an IoU of .5, .7 or .9 at least. 1 is best."
)
_EPOCHS = (
    "how often to validate, --epoch-steps training steps apart: another way to say --steps; in a "
    "recipe, how often each image is seen (100)"
)
_DEFAULTS = (
    "Values in brackets hold without --preset and --recipe, each of which has its own. The model "
    "is written to the folder model in that of the run: name that path after --model or --from, "
    "or choose it with “From a folder…” in the docks."
)


def add_train(commands: Any) -> None:
    """Add the command that trains."""
    parser = commands.add_parser("train", help="train or fine-tune a model", epilog=_DEFAULTS)
    parser.add_argument("dataset", type=folder_name, help="dataset folder with masks")
    parser.add_argument(
        "--out",
        required=True,
        type=folder_name,
        help="folder of the run; the same one resumes it",
    )
    parser.add_argument(
        "--from",
        dest="start",
        default="",
        metavar="MODEL",
        help="name or path of the model to fine-tune, such as nuclei; or imagenet for an encoder "
        "that has learned from photographs. By default training starts from nothing (random "
        "weights), with --preset classic from imagenet",
    )
    parser.add_argument(
        "--name", default="", help="what the new model is called (as the folder of the run)"
    )
    parser.add_argument("--table", default="", help="csv file of samples (fields, modalities)")
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        help="train the published way, as a baseline: whole resized images, two classes",
    )
    parser.add_argument(
        "--preset",
        choices=tuple(Preset),
        help="the defaults of the Train dock: quick (minutes, decoder only), thorough, or classic "
        "(the network of --recipe classic, trained on crops like the others)",
    )
    parser.add_argument(
        "--corrected",
        action="store_true",
        default=None,
        help="train on corrected and approved images alone; what the model to start from has "
        "learned from is mixed in where it is at hand",
    )
    parser.add_argument("--epochs", type=int, help=_EPOCHS)
    parser.add_argument("--edge", type=int, metavar="PX", help="of images in a recipe (128)")
    parser.add_argument(
        "--test-ids",
        type=Path,
        metavar="FILE",
        help="ids, one a line, that a recipe tests on besides the test samples of the table",
    )
    parser.add_argument(
        "--save-h5", type=Path, metavar="FILE", help="also write the model as one Keras .h5 file"
    )
    add_config(parser, TrainConfig)
    parser.set_defaults(run=_train_and_save)


def add_import(commands: Any) -> None:
    """Add the command that reads weights of Keras."""
    parser = commands.add_parser("import", help="make a model of the weights in a Keras .h5 file")
    parser.add_argument("file", type=Path, metavar="FILE.h5")
    parser.add_argument("--name", required=True, help="name of the new model")
    parser.add_argument(
        "--network",
        choices=NETWORKS,
        default="",
        help="architecture (the one that the weights fit)",
    )
    parser.add_argument(
        "--diameter",
        type=float,
        default=20.0,
        metavar="PX",
        help="typical diameter of the nuclei that the network was trained on (20)",
    )
    parser.set_defaults(run=_import)


def _train_and_save(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.h5_job import check_h5_place, save_h5
    from napari_nucleiseg.run_folder import MODEL

    _quieten_tensorflow()
    file = arguments.save_h5
    if file is not None:
        check_h5_place(file)
    code = _train(arguments)
    if file is not None:
        save_h5(Path(arguments.out) / MODEL, file)
        print(f"Keras file: {file}")
    return code


def _quieten_tensorflow() -> None:
    """Keep TensorFlow's log of its start from standing before what is asked for.

    It calls it an error that there is no graphics card. What ends the process is always said,
    and so is what it says of its start before it has read this level (lines with "I0000").
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning, r"keras\.")


def _import(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.h5_job import import_h5

    if not 1 <= arguments.diameter <= 1000:
        raise WrongOption(f"--diameter is {arguments.diameter:g}; expected 1 to 1000 px.")
    _quieten_tensorflow()
    steps = import_h5(arguments.file, arguments.name, arguments.network, arguments.diameter)
    for step in with_bar(steps, "step"):
        if step.kind == "result":
            print(f"Model: {step.values['model']} (network {step.values['network']})")
    return OK


def _train(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.train_job import TrainRequest

    if arguments.recipe:
        _refuse(arguments, ("preset", "corrected"), "has no meaning for a recipe")
        return _train_by_recipe(arguments)
    _refuse(arguments, ("edge", "test_ids"), "needs --recipe")
    start = arguments.start or _start_of(arguments.preset)
    config = config_of(arguments, _base(arguments, start))
    if arguments.epochs is not None:
        config = with_values(config, steps=_steps(arguments, config))
    dataset = _read_dataset(arguments)
    request = TrainRequest(
        dataset=arguments.dataset,
        out=arguments.out,
        config=config,
        start=start,
        name=arguments.name,
        table=arguments.table,
        only=_corrected(dataset) if arguments.corrected else (),
    )
    try:
        problems = _follow_training(request)
    except KeyboardInterrupt:
        say("Stopped: the best weights so far become a model. Ctrl+C again to leave it at that.")
        problems = _follow_training(dataclasses.replace(request, finish_now=True))
    complain(problems)
    return SKIPPED if problems or dataset.problems else OK


def _read_dataset(arguments: argparse.Namespace) -> Dataset:
    """Read the dataset, and name what of it is not trained on."""
    from napari_nucleiseg.dataset import read_dataset

    dataset = read_dataset(arguments.dataset, table=arguments.table or None)
    complain(dataset.problems)
    return dataset


def _steps(arguments: argparse.Namespace, config: TrainConfig) -> int:
    if arguments.steps is not None:
        raise WrongOption("--steps and --epochs say the same thing; leave one out.")
    if arguments.epochs < 1:
        raise WrongOption(f"--epochs is {arguments.epochs}; expected 1 or more.")
    return arguments.epochs * config.epoch_steps


def _start_of(preset: str | None) -> str:
    """Give what a training starts from where nothing is named."""
    from napari_nucleiseg.train_job import IMAGENET

    return IMAGENET if preset == Preset.CLASSIC else ""


def _base(arguments: argparse.Namespace, start: str) -> TrainConfig:
    """Give the config that holds where no flag says otherwise."""
    if arguments.preset is None:
        return TrainConfig()
    from napari_nucleiseg.models import find_model
    from napari_nucleiseg.train_job import IMAGENET

    preset, network = Preset(arguments.preset), arguments.network or TrainConfig().network
    if start not in ("", IMAGENET):
        network = arguments.network or find_model(start).network
    frozen = preset is not Preset.THOROUGH and bool(start)
    return preset_config(preset, network, freeze_encoder=frozen)


def _corrected(dataset: Dataset) -> tuple[str, ...]:
    from napari_nucleiseg.state import read_state
    from napari_nucleiseg.truth import sort_by_truth

    samples = dataset.samples
    truths = sort_by_truth(samples, {each.id: read_state(each.folder) for each in samples})
    if not truths.by_hand:
        raise BadInput(
            "No image is corrected or approved yet; correct some, or train without --corrected "
            "on the masks that the images came with."
        )
    return tuple(each.id for each in truths.by_hand)


def _follow_training(request: TrainRequest) -> list[str]:
    """Train and show it, and return what it complains of."""
    from napari_nucleiseg.train_job import train

    problems, left, is_first = [], TimeLeft(), True
    with closing(train(request)) as steps:  # an interrupted one must let go of its folder
        for step in with_bar(steps, "step"):
            if step.kind == "step":
                left.after(step.done, step.total)
            elif step.kind == "problem":
                problems.append(step.message)
            elif step.kind == "note":
                say(step.message)
            elif step.kind == "epoch":
                if is_first:
                    say(_AP)
                is_first = False
                say(_epoch_line(step.values, left.after(step.done, step.total)))
            elif step.kind == "result":
                print(f"Model: {step.values['model']}")
                if step.values["scores"].get("best_step") == 0:
                    say(_NO_GAIN.format(request.start, "" if request.only else _ALONE))
                print(json.dumps(step.values["scores"], indent=1))
    return problems


def _train_by_recipe(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.recipe_job import RecipeRequest, train_by_recipe
    from napari_nucleiseg.train_job import IMAGENET

    used = {each.name for each in dataclasses.fields(RecipeConfig)}
    others = [each.name for each in dataclasses.fields(TrainConfig) if each.name not in used]
    _refuse(arguments, others, f"has no meaning for the recipe {arguments.recipe}")
    request = RecipeRequest(
        dataset=arguments.dataset,
        out=arguments.out,
        config=config_of(arguments, RECIPES[arguments.recipe]),
        # A recipe with an encoder starts from ImageNet's weights unless a model is named.
        start="" if arguments.start == IMAGENET else arguments.start,
        name=arguments.name,
        table=arguments.table,
        test_ids=read_ids(arguments.test_ids),
    )
    dataset = _read_dataset(arguments)
    try:
        problems = _follow_recipe(train_by_recipe(request), request.config.epochs)
    except KeyboardInterrupt:
        say("Stopped: there is no model yet; the same command goes on with it.")
        raise
    complain(problems)
    return SKIPPED if problems or dataset.problems else OK


def _follow_recipe(training: Generator[Progress], epochs: int) -> list[str]:
    """Show a training by a recipe, and return what it complains of."""
    problems = []
    with closing(training) as steps:
        for step in with_bar(steps, "step"):
            if step.kind == "problem":
                problems.append(step.message)
            elif step.kind == "note":
                say(step.message)
            elif step.kind == "start":
                say(f"Encoder: {step.values['encoder']}")
            elif step.kind == "epoch":
                say(_recipe_line(step.values, epochs))
            elif step.kind == "result":
                _print_report(step.values["report"])
                print(f"Model: {step.values['model']}")
    return problems


def _refuse(arguments: argparse.Namespace, names: Iterable[str], why: str) -> None:
    for name in names:
        if getattr(arguments, name) is not None:
            raise WrongOption(f"{flag_of(name)} {why}; leave it out.")


def _recipe_line(values: dict[str, Any], epochs: int) -> str:
    left = (epochs - values["epoch"]) * values["seconds"] / 60
    return (
        f"epoch {values['epoch']}/{epochs}  loss {values['loss']:.4f}  "
        f"validation: loss {values['val_loss']:.4f}  accuracy {values['val_accuracy']:.4f}  "
        f"IoU {values['val_iou']:.4f}  Dice {values['val_dice']:.4f}  "
        f"best {values['best_epoch']}  {values['seconds']:.0f} s  {left:.0f} min left at most"
    )


def _print_report(report: dict[str, Any]) -> None:
    names = ("loss", "accuracy", "iou", "dice")
    rows = []
    for when in ("before", "after"):
        for part, groups in report[when].items():
            for group, found in groups.items():
                cells = (f"{found[name]:.4f}" for name in names)
                rows.append((f"{when}, {part}, {group} ({found['images']})", *cells))
    print(f"\nBest of {report['epochs']} epochs: {report['best_epoch']}")
    print_table(("images", "loss", "accuracy", "IoU", "Dice"), rows)
    for group, ap in report.get("test_ap_50_70_90", {}).items():
        print(f"AP .5/.7/.9 of the test images, {group}: {'/'.join(f'{v:.3f}' for v in ap)}")


def _epoch_line(values: dict[str, Any], left: str) -> str:
    ap = "  ".join(
        f"{name} {'/'.join(f'{v:.3f}' for v in row)}" for name, row in values["ap"].items()
    )
    # Before the first step there is none.
    loss = f"{values['loss']:.4f}" if math.isfinite(values["loss"]) else "-"
    rest = f"  {left} at most" if left else ""
    return f"step {values['step']}  loss {loss}  AP .5/.7/.9: {ap}{rest}"
