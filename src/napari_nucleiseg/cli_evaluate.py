"""``nucleiseg evaluate``: scores of a model on annotated images."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucleiseg.cli_base import (
    OK,
    SKIPPED,
    WrongOption,
    add_config,
    add_model,
    complain,
    config_of,
    folder_name,
    print_table,
    with_bar,
    with_ids,
)
from napari_nucleiseg.config import DecodeConfig, PredictConfig
from napari_nucleiseg.errors import BadInput

if TYPE_CHECKING:
    from napari_nucleiseg.sample import Sample


def add_evaluate(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("evaluate", help="score a model on annotated images")
    parser.add_argument("dataset", type=folder_name, help="dataset folder with masks")
    parser.add_argument("--table", help="csv file of samples (fields, modalities)")
    parser.add_argument("--split", choices=("train", "test"), help="only these samples")
    parser.add_argument("--ids", type=Path, help="file with the ids to score, one a line")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all scores to a file")
    parser.add_argument("--worst", type=int, default=10, help="how many images to list (10)")
    add_model(parser)
    add_config(parser, PredictConfig)
    add_config(parser, DecodeConfig, from_model=True)
    parser.set_defaults(run=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.dataset import read_dataset
    from napari_nucleiseg.jobs import evaluate
    from napari_nucleiseg.json_files import write_json
    from napari_nucleiseg.learned import warn_of_known
    from napari_nucleiseg.models import find_model
    from napari_nucleiseg.predictor import Predictor
    from napari_nucleiseg.truth import note_empty

    if arguments.worst < 0:
        raise WrongOption(f"--worst is {arguments.worst}; expected 0 or more.")
    if arguments.json:
        _check_json_place(arguments.json)
    predictor = Predictor(find_model(arguments.model))
    dataset = read_dataset(arguments.dataset, table=arguments.table)
    complain(dataset.problems)
    samples, unknown = _chosen(dataset.samples, arguments)
    complain(unknown)
    skipped = [*dataset.problems, *unknown]
    config = config_of(arguments, PredictConfig())
    decode = config_of(arguments, predictor.model.decode)
    problems, result = [], {}
    for step in with_bar(evaluate(samples, predictor, config, decode), "image"):
        if step.kind == "problem":
            complain([step.message])
            problems.append(step.message)
        elif step.kind == "result":
            result = step.values
    ids = {each["id"] for each in result["images"]}
    scored = [each for each in samples if each.id in ids]
    known = warn_of_known(predictor.model, dataset.root, scored)
    empty = note_empty([each["id"] for each in result["images"] if not each["n_true"]])
    warning = "\n".join(filter(None, (known, empty)))
    _print_evaluation(result, arguments.worst, warning)
    if arguments.json:
        told = {
            "model": predictor.model.name,
            "settings": {**asdict(config), **asdict(decode)},
            "skipped": [*skipped, *problems],
            "warning": warning,
        }
        write_json(arguments.json.absolute(), {**told, **result})
    return SKIPPED if problems or skipped else OK


def _chosen(
    samples: Sequence[Sample], arguments: argparse.Namespace
) -> tuple[list[Sample], list[str]]:
    """Give the samples that were asked for, and a sentence for each that there is not."""
    chosen, unknown = with_ids(samples, arguments.ids)
    if arguments.split:
        if not any(each.split == arguments.split for each in samples):
            raise BadInput(
                f"No sample is marked as {arguments.split}, by a table or by a folder of that "
                "name; leave --split out, or name another --table."
            )
        chosen = [each for each in chosen if each.split == arguments.split]
    if not chosen:
        raise BadInput("No sample is left to score; check --split and --ids.")
    return chosen, unknown


def _print_evaluation(result: dict[str, Any], worst: int, warning: str) -> None:
    from napari_nucleiseg.metrics import AT_50_70_90

    header = ("images", "AP .5", "AP .7", "AP .9", "mean AP", "F1", "PQ", "Dice", "accuracy")
    modalities = result["by_modality"]
    # Without a table all are of one unknown kind, and a row of it would be the first again.
    groups = {"all": result["summary"], **({} if set(modalities) == {"unknown"} else modalities)}
    rows = []
    for name, group in groups.items():
        mean = group["mean"]
        ap = [mean["ap"][index] for index in AT_50_70_90]
        others = [
            mean[key] for key in ("mean_ap", "f1", "panoptic_quality", "dice", "pixel_accuracy")
        ]
        rows.append((f"{name} ({group['images']})", *(f"{v:.4f}" for v in (*ap, *others))))
    print_table(header, rows)
    if warning:
        print(f"\n{warning}")
    _print_worst(result["images"][:worst])


def _print_worst(worst: Sequence[dict[str, Any]]) -> None:
    images = [
        (
            each["id"],
            str(each["n_true"]),
            str(each["n_pred"]),
            f"{each['mean_ap']:.3f}",
            f"{each['ap'][0]:.3f}",
            str(each["splits"]),
            str(each["merges"]),
        )
        for each in worst
    ]
    if images:
        print("\nWorst first:")
    print_table(("image", "true", "found", "mean AP", "AP .5", "splits", "merges"), images)


def _check_json_place(path: Path) -> None:
    """Refuse, before the work, to write scores into no folder or over anything but scores."""
    if not os.path.isdir(path.absolute().parent):
        raise BadInput(f"The folder of {path} does not exist; make it, or name another --json.")
    if os.path.lexists(path) and not _is_scores(path):
        raise BadInput(f"{path} holds no scores and is not replaced; name another --json.")


def _is_scores(path: Path) -> bool:
    from napari_nucleiseg.json_files import read_json

    written = read_json(path) if os.path.isfile(path) else None
    return isinstance(written, dict) and {"model", "summary", "by_modality"} <= written.keys()
