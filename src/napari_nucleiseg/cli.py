"""The command line: ``nucleiseg predict | train | import | evaluate | fetch | demo | info``.

Exit codes: 0 all done, 1 nothing done, 2 wrong usage, 3 done, but something was skipped,
130 interrupted. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucleiseg import __version__
from napari_nucleiseg.cli_base import (
    FAILED,
    INTERRUPTED,
    OK,
    SKIPPED,
    add_config,
    complain,
    config_of,
    folder_path,
    print_table,
    read_ids,
    say,
    with_bar,
)
from napari_nucleiseg.cli_train import add_import, add_train
from napari_nucleiseg.config import (
    DecodeConfig,
    PredictConfig,
)
from napari_nucleiseg.errors import BadInput

if TYPE_CHECKING:
    from napari_nucleiseg.progress import Progress

DEFAULT_MODEL = "nuclei"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file's name may be no text it can take
            stream.reconfigure(errors="backslashreplace")
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except BadInput as error:
        print(f"nucleiseg: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("nucleiseg: stopped; what was finished is kept.", file=sys.stderr)
        return INTERRUPTED


# --- parsing


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nucleiseg", description="Segment cell nuclei, score the masks, and train on them."
    )
    parser.add_argument("--version", action="version", version=f"nucleiseg {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_predict(commands)
    add_train(commands)
    add_import(commands)
    _add_evaluate(commands)
    _add_fetch(commands)
    _add_demo(commands)
    info = commands.add_parser("info", help="show versions, devices, models and folders")
    info.set_defaults(run=_info)
    return parser


def _add_predict(commands: Any) -> None:
    parser = commands.add_parser("predict", help="segment images and write label images")
    parser.add_argument("input", nargs="+", help="dataset folder, zip archive or image")
    parser.add_argument("--out", required=True, help="folder for <sample id>.tif", type=folder_path)
    _add_model(parser)
    add_config(parser, PredictConfig)
    add_config(parser, DecodeConfig, from_model=True)
    parser.add_argument("--overlays", action="store_true", help="also write <sample id>.png")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")
    parser.set_defaults(run=_predict)


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser("evaluate", help="score a model on annotated images")
    parser.add_argument("dataset", help="dataset folder with masks")
    parser.add_argument("--table", help="csv file of samples (fields, modalities)")
    parser.add_argument("--split", choices=("train", "test"), help="only these samples")
    parser.add_argument("--ids", type=Path, help="file with the ids to score, one a line")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all scores to a file")
    parser.add_argument("--worst", type=int, default=10, help="how many images to list (10)")
    _add_model(parser)
    add_config(parser, PredictConfig)
    add_config(parser, DecodeConfig, from_model=True)
    parser.set_defaults(run=_evaluate)


def _add_fetch(commands: Any) -> None:
    parser = commands.add_parser("fetch", help="download a public dataset")
    parser.add_argument("name", choices=("dsb2018",))
    parser.add_argument("--out", required=True, type=folder_path, help="folder for the download")
    parser.add_argument("--url", help="another address of the same archive")
    parser.set_defaults(run=_fetch)


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser("demo", help="make a small dataset and segment it")
    parser.add_argument(
        "--out", type=folder_path, default=Path("demo-output"), help="folder (demo-output)"
    )
    parser.add_argument("--no-window", action="store_true", help="only the table and the files")
    parser.set_defaults(run=_demo)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="NAME_OR_PATH", help="model (nuclei)"
    )


# --- commands


def _predict(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.jobs import (
        predict_samples,
        read_inputs,
        refuse_to_overwrite,
        write_predictions,
    )
    from napari_nucleiseg.models import find_model
    from napari_nucleiseg.predictor import Predictor

    predictor = Predictor(find_model(arguments.model))
    config = config_of(arguments, PredictConfig())
    decode = config_of(arguments, predictor.model.decode)
    inputs = read_inputs(arguments.input, extract_to=arguments.out)
    complain(inputs.problems)
    suffixes = (".tif", ".png") if arguments.overlays else (".tif",)
    refuse_to_overwrite(inputs.samples, arguments.out, suffixes)
    results: Iterable[Progress] = predict_samples(inputs.samples, predictor, config, decode)
    if arguments.overlays:
        results = _with_overlays(results, inputs.samples, arguments.out)
    rows, problems = _run(write_predictions(results, arguments.out), len(inputs.samples))
    problems = [*inputs.problems, *problems]
    if arguments.json:
        summary = {"model": predictor.model.name, "images": rows, "problems": problems}
        print(json.dumps(summary, indent=1))
    else:
        _print_predictions(rows, arguments.out)
    return _exit_code(rows, problems)


def _print_predictions(rows: Sequence[dict[str, Any]], out: Path) -> None:
    cells = [(each["id"], str(each["nuclei"]), f"{each['seconds']:.2f}") for each in rows]
    print_table(("image", "nuclei", "seconds"), cells)
    if rows:
        print(f"{len(rows)} label {'image' if len(rows) == 1 else 'images'} in {out}")


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


def _evaluate(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.dataset import read_dataset
    from napari_nucleiseg.jobs import evaluate
    from napari_nucleiseg.models import find_model
    from napari_nucleiseg.predictor import Predictor
    from napari_nucleiseg.splits import warn_of_known

    if arguments.json:
        _check_json_place(arguments.json)
    predictor = Predictor(find_model(arguments.model))
    dataset = read_dataset(arguments.dataset, table=arguments.table)
    samples, unknown = _chosen(dataset.samples, arguments)
    skipped = [*dataset.problems, *(f"{each} is not in the dataset" for each in unknown)]
    complain(skipped)
    config = config_of(arguments, PredictConfig())
    decode = config_of(arguments, predictor.model.decode)
    problems, result = [], {}
    for step in with_bar(evaluate(samples, predictor, config, decode), "image"):
        if step.kind == "problem":
            problems.append(step.message)
        elif step.kind == "result":
            result = step.values
    complain(problems)
    ids = {each["id"] for each in result["images"]}
    scored = [each for each in samples if each.id in ids]
    warning = warn_of_known(predictor.model, dataset.root, scored)
    _print_evaluation(result, arguments.worst, warning)
    if arguments.json:
        _write_json(arguments.json, {"model": predictor.model.name, **result})
    return SKIPPED if problems or skipped else OK


def _chosen(
    samples: Sequence[Any], arguments: argparse.Namespace
) -> tuple[list[Any], Sequence[str]]:
    """Give the samples that were asked for, and the ids among these that there are not."""
    chosen, unknown = list(samples), []
    if arguments.split:
        chosen = [each for each in chosen if each.split == arguments.split]
        if not chosen:
            raise BadInput(
                f"No sample is marked as {arguments.split}, by a table or by a folder of that "
                "name; leave --split out, or name another --table."
            )
    if arguments.ids:
        wanted = set(read_ids(arguments.ids))
        unknown = sorted(wanted - {each.id for each in samples})
        chosen = [each for each in chosen if each.id in wanted]
    if not chosen:
        raise BadInput("No sample is left to score; check --split and --ids.")
    return chosen, unknown


def _print_evaluation(result: dict[str, Any], worst: int, warning: str) -> None:
    header = ("images", "AP .5", "AP .7", "AP .9", "mean AP", "F1", "PQ", "Dice", "accuracy")
    modalities = result["by_modality"]
    # Without a table all are of one unknown kind, and a row of it would be the first again.
    groups = {"all": result["summary"], **({} if set(modalities) == {"unknown"} else modalities)}
    rows = []
    for name, group in groups.items():
        mean = group["mean"]
        ap = [mean["ap"][index] for index in (0, 4, 8)]
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


def _fetch(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.fetch import fetch_dsb2018

    given = {"url": arguments.url} if arguments.url else {}
    for step in with_bar(fetch_dsb2018(arguments.out, **given), ""):
        if step.kind == "result":
            print(f"Dataset: {step.values['folder']}")
    return OK


def _demo(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg._qt.sample_data import write_sample_dataset
    from napari_nucleiseg.atomic import saving

    dataset, results = arguments.out / "dataset", arguments.out / "labels"
    say("Making a small dataset in the layout of DSB2018 ...")
    with saving(arguments.out):
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_sample_dataset(dataset)
    code = main(["predict", str(dataset), "--out", str(results), "--overlays"])
    say(f"\nImages: {dataset}\nLabels and overlay pictures: {results}")
    if code == OK and not arguments.no_window:
        return _demo_window(dataset, arguments.out / "pictures")
    return code


def _demo_window(dataset: Path, pictures: Path) -> int:
    """Open the docks on the dataset; on a machine without a screen, take pictures of them."""
    from importlib.util import find_spec

    if not any(find_spec(name) for name in ("PyQt5", "PyQt6", "PySide6")):
        say('For the window, install a Qt binding: pip install "napari-nucleiseg[pyqt5]"')
        return OK
    if _has_screen():
        from napari_nucleiseg._qt.demo import run_demo

        say("Opening napari ...")
        run_demo(dataset)
        return OK
    return _demo_pictures(dataset, pictures)


def _has_screen() -> bool:
    return sys.platform != "linux" or any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY"))


def _demo_pictures(dataset: Path, pictures: Path) -> int:
    import shutil
    import subprocess

    if shutil.which("xvfb-run") is None:
        say("There is no screen, and no virtual one: install Xvfb (apt-get install xvfb).")
        return OK
    say("There is no screen: opening napari on a virtual one ...")
    code = (
        "import sys; from pathlib import Path; from napari_nucleiseg._qt.demo import run_demo; "
        "print(*run_demo(Path(sys.argv[1]), Path(sys.argv[2])), sep='\\n')"
    )
    screen = ["xvfb-run", "-a", "-s", "-screen 0 1280x800x24"]
    done = subprocess.run([*screen, sys.executable, "-c", code, str(dataset), str(pictures)])
    return FAILED if done.returncode else OK


def _info(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.info import describe

    print(describe())
    return OK


# --- showing


def _run(steps: Iterable[Progress], total: int) -> tuple[list[dict[str, Any]], list[str]]:
    rows, problems = [], []
    for step in with_bar(steps, "image", total):
        if step.kind == "sample":
            rows.append(step.values)
        elif step.kind == "problem":
            problems.append(step.message)
    complain(problems)
    return rows, problems


def _check_json_place(path: Path) -> None:
    """Refuse, before the work, to write scores into no folder or over anything but scores."""
    if not os.path.isdir(path.absolute().parent):
        raise BadInput(f"The folder of {path} does not exist; make it, or name another --json.")
    if os.path.lexists(path) and not _is_scores(path):
        raise BadInput(f"{path} holds no scores and is not replaced; name another --json.")


def _is_scores(path: Path) -> bool:
    if not os.path.isfile(path):
        return False
    try:
        written = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(written, dict) and {"model", "summary", "by_modality"} <= written.keys()


def _write_json(path: Path, content: Any) -> None:
    from napari_nucleiseg.atomic import write_bytes_atomically

    write_bytes_atomically(path.absolute(), json.dumps(content, indent=1).encode())


def _exit_code(rows: Sequence[Any], problems: Sequence[str]) -> int:
    if not rows:
        return FAILED
    return SKIPPED if problems else OK


if __name__ == "__main__":
    sys.exit(main())
