"""``nucleiseg predict``: label images for images, and what is printed of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from napari_nucleiseg.cli_base import (
    FAILED,
    OK,
    SKIPPED,
    add_config,
    add_model,
    complain,
    config_of,
    folder_name,
    folder_path,
    say,
    with_bar,
    with_ids,
)
from napari_nucleiseg.config import DecodeConfig, PredictConfig

if TYPE_CHECKING:
    from napari_nucleiseg.predictor import Predictor
    from napari_nucleiseg.progress import Progress
    from napari_nucleiseg.sample import Sample


def add_predict(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("predict", help="segment images and write label images")
    parser.add_argument(
        "input", nargs="+", type=folder_name, help="dataset folder, zip archive or image"
    )
    parser.add_argument("--out", required=True, help="folder for <sample id>.tif", type=folder_path)
    parser.add_argument("--ids", type=Path, help="file with the ids to segment, one a line")
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="to go on after a stop: leave the label images that --out holds as they are, and make "
        "no overlays of them, where the same image, model, settings (--diameter to --min-area) "
        "and version of this program made them; others are made anew",
    )
    add_model(parser)
    add_config(parser, PredictConfig)
    add_config(parser, DecodeConfig, from_model=True)
    parser.add_argument("--overlays", action="store_true", help="also write <sample id>.png")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")
    parser.set_defaults(run=_predict)


def _predict(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.models import find_model
    from napari_nucleiseg.predictor import Predictor

    predictor = Predictor(find_model(arguments.model))
    return predict_into(
        arguments.out,
        arguments.input,
        predictor,
        config_of(arguments, PredictConfig()),
        config_of(arguments, predictor.model.decode),
        ids=arguments.ids,
        skip_existing=arguments.skip_existing,
        overlays=arguments.overlays,
        as_json=arguments.json,
    )


def predict_into(
    out: Path,
    paths: Sequence[str],
    predictor: Predictor,
    config: PredictConfig,
    decode: DecodeConfig,
    *,
    ids: Path | None = None,
    skip_existing: bool = False,
    overlays: bool = False,
    as_json: bool = False,
) -> int:
    """Segment images, write their label images into a folder, and print what was done.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    BadInput
        If there is nothing to segment, or `out` holds files that no prediction made.
    """
    from napari_nucleiseg.jobs import predict_samples
    from napari_nucleiseg.prediction_files import (
        is_predicted,
        note_of,
        read_inputs,
        refuse_to_overwrite,
        write_predictions,
    )

    inputs = read_inputs(paths, extract_to=out)
    complain(inputs.problems)
    samples, unknown = with_ids(inputs.samples, ids)
    complain(unknown)
    refuse_to_overwrite(samples, out, (".tif", ".png") if overlays else (".tif",))

    made = note_of(predictor.model, config, decode)

    def is_done(sample: Sample) -> bool:
        return is_predicted(sample, out, made) and skip_existing

    results: Iterable[Progress] = predict_samples(samples, predictor, config, decode, is_done)
    if overlays:
        results = _with_overlays(results, samples, out)
    steps = write_predictions(results, samples, out, made)
    # The standard output is for the summary alone where a program reads it.
    done = _follow(steps, samples, sys.stderr if as_json else sys.stdout)
    problems = [*inputs.problems, *unknown, *done.problems]
    if as_json:
        summary = {
            "model": predictor.model.name,
            "images": done.rows,
            "kept": done.kept,
            "problems": problems,
        }
        print(json.dumps(summary, indent=1))
    else:
        _print_end(done, out)
    if not done.rows and not done.kept:
        return FAILED
    return SKIPPED if problems else OK


class _Done(NamedTuple):
    rows: list[dict[str, Any]]
    kept: list[str]
    problems: list[str]


def _follow(steps: Iterable[Progress], samples: Sequence[Sample], place: TextIO) -> _Done:
    """Print a row for each image as it comes: who finds it killed sees how far it came."""
    done = _Done([], [], [])
    width = max((len(each.id) for each in samples), default=0)
    for step in with_bar(steps, "image", len(samples)):
        if step.kind == "sample":
            if not done.rows:
                say(f"{'image':<{width}}  nuclei  seconds", place)
            done.rows.append(step.values)
            nuclei, seconds = step.values["nuclei"], step.values["seconds"]
            say(f"{step.values['id']:<{width}}  {nuclei:>6}  {seconds:>7.2f}", place)
        elif step.kind == "kept":
            done.kept.append(step.values["id"])
        elif step.kind == "problem":
            done.problems.append(step.message)
            complain([step.message])
    return done


def _with_overlays(
    results: Iterable[Progress], samples: Sequence[Sample], out: Path
) -> Iterable[Progress]:
    from napari_nucleiseg.atomic import NameTooLong, write_bytes_atomically
    from napari_nucleiseg.dataset import read_sample_image
    from napari_nucleiseg.overlay import encode_png, side_by_side

    for step in results:
        if step.kind == "sample":
            image = read_sample_image(samples[step.done - 1])
            picture = side_by_side(image, step.values["labels"])
            out.mkdir(parents=True, exist_ok=True)
            with suppress(NameTooLong):  # which is told of the label image
                write_bytes_atomically(out / f"{step.values['id']}.png", encode_png(picture))
        yield step


def _print_end(done: _Done, out: Path) -> None:
    if done.rows:
        print(f"{_label_images(done.rows)} in {out}")
    if done.kept:
        print(f"{_label_images(done.kept)} kept from before")


def _label_images(those: Sequence[Any]) -> str:
    return f"{len(those)} label {'image' if len(those) == 1 else 'images'}"
