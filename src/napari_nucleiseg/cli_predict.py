"""``nucleiseg predict``: label images for images, and what is printed of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucleiseg.cli_base import (
    FAILED,
    OK,
    SKIPPED,
    add_config,
    add_model,
    complain,
    config_of,
    folder_path,
    print_table,
    with_bar,
)
from napari_nucleiseg.config import DecodeConfig, PredictConfig

if TYPE_CHECKING:
    from napari_nucleiseg.predictor import Predictor
    from napari_nucleiseg.progress import Progress


def add_predict(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("predict", help="segment images and write label images")
    parser.add_argument("input", nargs="+", help="dataset folder, zip archive or image")
    parser.add_argument("--out", required=True, help="folder for <sample id>.tif", type=folder_path)
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
    from napari_nucleiseg.jobs import (
        predict_samples,
        read_inputs,
        refuse_to_overwrite,
        write_predictions,
    )

    inputs = read_inputs(paths, extract_to=out)
    complain(inputs.problems)
    refuse_to_overwrite(inputs.samples, out, (".tif", ".png") if overlays else (".tif",))
    results: Iterable[Progress] = predict_samples(inputs.samples, predictor, config, decode)
    if overlays:
        results = _with_overlays(results, inputs.samples, out)
    steps = write_predictions(results, inputs.samples, out, predictor.model.name)
    rows, problems = _run(steps, len(inputs.samples))
    problems = [*inputs.problems, *problems]
    if as_json:
        summary = {"model": predictor.model.name, "images": rows, "problems": problems}
        print(json.dumps(summary, indent=1))
    else:
        _print_predictions(rows, out)
    return _exit_code(rows, problems)


def _run(steps: Iterable[Progress], total: int) -> tuple[list[dict[str, Any]], list[str]]:
    rows, problems = [], []
    for step in with_bar(steps, "image", total):
        if step.kind == "sample":
            rows.append(step.values)
        elif step.kind == "problem":
            problems.append(step.message)
    complain(problems)
    return rows, problems


def _with_overlays(
    results: Iterable[Progress], samples: Sequence[Any], out: Path
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


def _print_predictions(rows: Sequence[dict[str, Any]], out: Path) -> None:
    cells = [(each["id"], str(each["nuclei"]), f"{each['seconds']:.2f}") for each in rows]
    print_table(("image", "nuclei", "seconds"), cells)
    if rows:
        print(f"{len(rows)} label {'image' if len(rows) == 1 else 'images'} in {out}")


def _exit_code(rows: Sequence[Any], problems: Sequence[str]) -> int:
    if not rows:
        return FAILED
    return SKIPPED if problems else OK
