"""The command line: ``nucleiseg predict | train | import | evaluate | fetch | demo | info``.

Exit codes: 0 all done, 1 nothing done, 2 wrong usage, 3 done, but something was skipped,
130 interrupted. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from napari_nucleiseg import __version__
from napari_nucleiseg.config import (
    RECIPES,
    Config,
    DecodeConfig,
    PredictConfig,
    RecipeConfig,
    TrainConfig,
)
from napari_nucleiseg.errors import BadInput

if TYPE_CHECKING:
    from napari_nucleiseg.progress import Progress

OK, FAILED, SKIPPED, INTERRUPTED = 0, 1, 3, 130
DEFAULT_MODEL = "nuclei"
C = TypeVar("C", bound=Config)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
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
    _add_train(commands)
    _add_import(commands)
    _add_evaluate(commands)
    _add_fetch(commands)
    _add_demo(commands)
    info = commands.add_parser("info", help="show versions, devices, models and folders")
    info.set_defaults(run=_info)
    return parser


def _add_predict(commands: Any) -> None:
    parser = commands.add_parser("predict", help="segment images and write label images")
    parser.add_argument("input", nargs="+", help="dataset folder, zip archive or image")
    parser.add_argument("--out", required=True, help="folder for <sample id>.tif", type=Path)
    _add_model(parser)
    _add_config(parser, PredictConfig)
    _add_config(parser, DecodeConfig, from_model=True)
    parser.add_argument("--overlays", action="store_true", help="also write <sample id>.png")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")
    parser.set_defaults(run=_predict)


def _add_train(commands: Any) -> None:
    parser = commands.add_parser("train", help="train or fine-tune a network")
    parser.add_argument("dataset", help="dataset folder with masks")
    parser.add_argument("--out", required=True, help="folder of the run; the same one resumes it")
    parser.add_argument(
        "--from", dest="start", default="", metavar="MODEL", help="model to start from"
    )
    parser.add_argument("--name", default="", help="name of the new model")
    parser.add_argument("--table", default="", help="csv file of samples (fields, modalities)")
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        help="train the published way: resized images, two classes; other defaults (see README)",
    )
    parser.add_argument("--epochs", type=int, help="validations; sets --steps")
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
    _add_config(parser, TrainConfig)
    parser.set_defaults(run=_train_and_save)


def _add_import(commands: Any) -> None:
    parser = commands.add_parser("import", help="make a model of the weights in a Keras .h5 file")
    parser.add_argument("file", type=Path, metavar="FILE.h5")
    parser.add_argument("--name", required=True, help="name of the new model")
    parser.add_argument(
        "--network",
        choices=("nuclei", "mobilenetv2-unet", "unet"),
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


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser("evaluate", help="score a model on annotated images")
    parser.add_argument("dataset", help="dataset folder with masks")
    parser.add_argument("--table", help="csv file of samples (fields, modalities)")
    parser.add_argument("--split", choices=("train", "test"), help="only these samples")
    parser.add_argument("--ids", type=Path, help="file with the ids to score, one a line")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all scores to a file")
    parser.add_argument("--worst", type=int, default=10, help="how many images to list (10)")
    _add_model(parser)
    _add_config(parser, PredictConfig)
    _add_config(parser, DecodeConfig, from_model=True)
    parser.set_defaults(run=_evaluate)


def _add_fetch(commands: Any) -> None:
    parser = commands.add_parser("fetch", help="download a public dataset")
    parser.add_argument("name", choices=("dsb2018",))
    parser.add_argument("--out", required=True, type=Path, help="folder for the download")
    parser.add_argument("--url", help="another address of the same archive")
    parser.set_defaults(run=_fetch)


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser("demo", help="make a small dataset and segment it")
    parser.add_argument(
        "--out", type=Path, default=Path("demo-output"), help="folder (demo-output)"
    )
    parser.add_argument("--no-window", action="store_true", help="only the table and the files")
    parser.set_defaults(run=_demo)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="NAME_OR_PATH", help="model (nuclei)"
    )


def _add_config(
    parser: argparse.ArgumentParser, config: type[Config], *, from_model: bool = False
) -> None:
    """Add a flag for each parameter; one that is not given keeps the default or the model's."""
    for each in dataclasses.fields(config):  # type: ignore[arg-type]
        flag = f"--{each.name.replace('_', '-')}"
        shown = "as tuned for the model" if from_model else each.default
        text = f"{each.metadata['help']} ({shown})"
        if isinstance(each.default, bool):
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=None, help=text
            )
        else:
            parser.add_argument(
                flag,
                type=type(each.default),
                choices=each.metadata["choices"] or None,
                metavar=each.metadata["unit"].upper() or None,
                help=text,
            )


def _config(arguments: argparse.Namespace, base: C) -> C:
    """Take the values of a config's flags; a flag not given keeps the base's value."""
    given = {each.name: getattr(arguments, each.name) for each in dataclasses.fields(base)}  # type: ignore[arg-type]
    changed = {name: value for name, value in given.items() if value is not None}
    try:
        return dataclasses.replace(base, **changed)  # type: ignore[type-var]
    except ValueError as error:
        raise BadInput(str(error)) from error


# --- commands


def _predict(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.jobs import predict_samples, read_inputs, write_predictions
    from napari_nucleiseg.models import find_model
    from napari_nucleiseg.predictor import Predictor

    predictor = Predictor(find_model(arguments.model))
    config = _config(arguments, PredictConfig())
    decode = _config(arguments, predictor.model.decode)
    inputs = read_inputs(arguments.input, extract_to=arguments.out)
    _complain(inputs.problems)
    results: Iterable[Progress] = predict_samples(inputs.samples, predictor, config, decode)
    if arguments.overlays:
        results = _with_overlays(results, inputs.samples, arguments.out)
    rows, problems = _run(write_predictions(results, arguments.out), len(inputs.samples))
    problems = [*inputs.problems, *problems]
    if arguments.json:
        summary = {"model": predictor.model.name, "images": rows, "problems": problems}
        print(json.dumps(summary, indent=1))
    else:
        _print_table(("image", "nuclei", "seconds"), [_cells(row) for row in rows])
    return _exit_code(rows, problems)


def _cells(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["id"], str(row["nuclei"]), f"{row['seconds']:.2f}"


def _with_overlays(
    results: Iterable[Progress], samples: Sequence[Any], out: Path
) -> Iterable[Progress]:
    from napari_nucleiseg.atomic import write_bytes_atomically
    from napari_nucleiseg.dataset import read_sample_image
    from napari_nucleiseg.overlay import encode_png, side_by_side

    for step in results:
        if step.kind == "sample":
            image = read_sample_image(samples[step.done - 1])
            picture = side_by_side(image, step.values["labels"])
            out.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(out / f"{step.values['id']}.png", encode_png(picture))
        yield step


def _train_and_save(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.h5_job import save_h5

    file = arguments.save_h5
    if file is not None and not file.absolute().parent.is_dir():
        raise BadInput(f"The folder of {file} does not exist; make it, or name another --save-h5.")
    code = _train(arguments)
    if file is not None:
        save_h5(Path(arguments.out) / "model", file)
        print(f"Keras file: {file}")
    return code


def _import(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.h5_job import import_h5

    steps = import_h5(arguments.file, arguments.name, arguments.network, arguments.diameter)
    for step in _with_bar(steps, "step"):
        if step.kind == "result":
            print(f"Model: {step.values['model']} (network {step.values['network']})")
    return OK


def _train(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.train_job import TrainRequest, train

    if arguments.recipe:
        return _train_by_recipe(arguments)
    _refuse(arguments, ("edge", "test_ids"), "needs --recipe")
    config = _config(arguments, TrainConfig())
    if arguments.epochs is not None:
        config = dataclasses.replace(config, steps=arguments.epochs * config.epoch_steps)
    request = TrainRequest(
        dataset=arguments.dataset,
        out=arguments.out,
        config=config,
        start=arguments.start,
        name=arguments.name,
        table=arguments.table,
    )
    try:
        problems = _follow_training(train(request))
    except KeyboardInterrupt:
        _say("Stopped: the best weights so far become a model. Ctrl+C again to leave it at that.")
        problems = _follow_training(train(dataclasses.replace(request, finish_now=True)))
    _complain(problems)
    return SKIPPED if problems else OK


def _follow_training(steps: Iterable[Progress]) -> list[str]:
    """Show a training, and return what it complains of."""
    problems = []
    for step in _with_bar(steps, "step"):
        if step.kind == "problem":
            problems.append(step.message)
        elif step.kind == "note":
            _say(step.message)
        elif step.kind == "epoch":
            _say(_epoch_line(step.values))
        elif step.kind == "result":
            print(f"Model: {step.values['model']}")
            print(json.dumps(step.values["scores"], indent=1))
    return problems


def _train_by_recipe(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.recipe_job import RecipeRequest, train_by_recipe

    used = {each.name for each in dataclasses.fields(RecipeConfig)}
    others = [each.name for each in dataclasses.fields(TrainConfig) if each.name not in used]
    _refuse(arguments, others, f"has no meaning for the recipe {arguments.recipe}")
    request = RecipeRequest(
        dataset=arguments.dataset,
        out=arguments.out,
        config=_config(arguments, RECIPES[arguments.recipe]),
        start=arguments.start,
        name=arguments.name,
        table=arguments.table,
        test_ids=_read_ids(arguments.test_ids),
    )
    problems = []
    for step in _with_bar(train_by_recipe(request), "step"):
        if step.kind == "problem":
            problems.append(step.message)
        elif step.kind == "start":
            _say(f"Encoder: {step.values['encoder']}")
        elif step.kind == "epoch":
            _say(_recipe_line(step.values, request.config.epochs))
        elif step.kind == "result":
            _print_report(step.values["report"])
            print(f"Model: {step.values['model']}")
    _complain(problems)
    return SKIPPED if problems else OK


def _read_ids(path: Path | None) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8").split()) if path else ()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is no readable list of ids ({error}); write one a line.") from error


def _refuse(arguments: argparse.Namespace, names: Iterable[str], why: str) -> None:
    for name in names:
        if getattr(arguments, name) is not None:
            raise BadInput(f"--{name.replace('_', '-')} {why}; leave it out.")


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
    _print_table(("images", "loss", "accuracy", "IoU", "Dice"), rows)
    for group, ap in report.get("test_ap_50_70_90", {}).items():
        print(f"AP .5/.7/.9 of the test images, {group}: {'/'.join(f'{v:.3f}' for v in ap)}")


def _epoch_line(values: dict[str, Any]) -> str:
    ap = "  ".join(
        f"{name} {'/'.join(f'{v:.3f}' for v in row)}" for name, row in values["ap"].items()
    )
    return f"step {values['step']}  loss {values['loss']:.4f}  AP .5/.7/.9: {ap}"


def _evaluate(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.dataset import read_dataset
    from napari_nucleiseg.jobs import evaluate
    from napari_nucleiseg.models import find_model
    from napari_nucleiseg.predictor import Predictor

    predictor = Predictor(find_model(arguments.model))
    dataset = read_dataset(arguments.dataset, table=arguments.table)
    _complain(dataset.problems)
    samples = _chosen(dataset.samples, arguments)
    config = _config(arguments, PredictConfig())
    decode = _config(arguments, predictor.model.decode)
    problems, result = [], {}
    for step in _with_bar(evaluate(samples, predictor, config, decode), "image"):
        if step.kind == "problem":
            problems.append(step.message)
        elif step.kind == "result":
            result = step.values
    _complain(problems)
    _print_evaluation(result, arguments.worst)
    if arguments.json:
        _write_json(arguments.json, {"model": predictor.model.name, **result})
    return SKIPPED if problems or dataset.problems else OK


def _chosen(samples: Sequence[Any], arguments: argparse.Namespace) -> list[Any]:
    chosen = list(samples)
    if arguments.split:
        chosen = [each for each in chosen if each.split == arguments.split]
    if arguments.ids:
        wanted = set(_read_ids(arguments.ids))
        chosen = [each for each in chosen if each.id in wanted]
    if not chosen:
        raise BadInput("No sample is left to score; check --split, --ids and the table.")
    return chosen


def _print_evaluation(result: dict[str, Any], worst: int) -> None:
    header = ("images", "AP .5", "AP .7", "AP .9", "mean AP", "F1", "PQ", "Dice", "accuracy")
    groups = {"all": result["summary"], **result["by_modality"]}
    rows = []
    for name, group in groups.items():
        mean = group["mean"]
        ap = [mean["ap"][index] for index in (0, 4, 8)]
        others = [
            mean[key] for key in ("mean_ap", "f1", "panoptic_quality", "dice", "pixel_accuracy")
        ]
        rows.append((f"{name} ({group['images']})", *(f"{v:.4f}" for v in (*ap, *others))))
    _print_table(header, rows)
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
        for each in result["images"][:worst]
    ]
    print("\nWorst first:")
    _print_table(("image", "true", "found", "mean AP", "AP .5", "splits", "merges"), images)


def _fetch(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.fetch import fetch_dsb2018

    given = {"url": arguments.url} if arguments.url else {}
    for step in _with_bar(fetch_dsb2018(arguments.out, **given), ""):
        if step.kind == "result":
            print(f"Dataset: {step.values['folder']}")
    return OK


def _demo(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg._qt.sample_data import write_sample_dataset

    dataset, results = arguments.out / "dataset", arguments.out / "labels"
    _say("Making a small dataset in the layout of DSB2018 ...")
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_sample_dataset(dataset)
    code = main(["predict", str(dataset), "--out", str(results), "--overlays"])
    _say(f"\nImages: {dataset}\nLabels and overlay pictures: {results}")
    if code == OK and not arguments.no_window:
        return _demo_window(dataset, arguments.out / "pictures")
    return code


def _demo_window(dataset: Path, pictures: Path) -> int:
    """Open the docks on the dataset; on a machine without a screen, take pictures of them."""
    from importlib.util import find_spec

    if not any(find_spec(name) for name in ("PyQt5", "PyQt6", "PySide6")):
        _say('For the window, install a Qt binding: pip install "napari-nucleiseg[pyqt5]"')
        return OK
    if _has_screen():
        from napari_nucleiseg._qt.demo import run_demo

        _say("Opening napari ...")
        run_demo(dataset)
        return OK
    return _demo_pictures(dataset, pictures)


def _has_screen() -> bool:
    return sys.platform != "linux" or any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY"))


def _demo_pictures(dataset: Path, pictures: Path) -> int:
    import shutil
    import subprocess

    if shutil.which("xvfb-run") is None:
        _say("There is no screen, and no virtual one: install Xvfb (apt-get install xvfb).")
        return OK
    _say("There is no screen: opening napari on a virtual one ...")
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
    for step in _with_bar(steps, "image", total):
        if step.kind == "sample":
            rows.append(step.values)
        elif step.kind == "problem":
            problems.append(step.message)
    _complain(problems)
    return rows, problems


def _with_bar(steps: Iterable[Progress], unit: str, total: int = 0) -> Iterable[Progress]:
    """Pass steps on, and show them as a progress bar on a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, disable=not sys.stderr.isatty(), leave=False) as bar:
        for step in steps:
            bar.total = step.total or bar.total
            bar.set_description_str(step.message[:50], refresh=False)
            bar.update(step.done - bar.n)
            yield step


def _say(line: str) -> None:
    from tqdm import tqdm

    tqdm.write(line)
    sys.stdout.flush()


def _complain(problems: Sequence[str]) -> None:
    for each in problems:
        print(f"skipped: {each}", file=sys.stderr)


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        first, *others = (cell for cell in row)
        cells = [
            first.ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(others, widths[1:], strict=True)),
        ]
        print("  ".join(cells))


def _write_json(path: Path, content: Any) -> None:
    from napari_nucleiseg.atomic import write_bytes_atomically

    write_bytes_atomically(path.absolute(), json.dumps(content, indent=1).encode())


def _exit_code(rows: Sequence[Any], problems: Sequence[str]) -> int:
    if not rows:
        return FAILED
    return SKIPPED if problems else OK


if __name__ == "__main__":
    sys.exit(main())
