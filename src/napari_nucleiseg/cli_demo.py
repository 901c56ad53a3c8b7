"""``nucleiseg demo``: a dataset made on the spot, segmented, and shown in the docks."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from napari_nucleiseg.cli_base import FAILED, OK, folder_path, say
from napari_nucleiseg.cli_predict import predict_into
from napari_nucleiseg.config import SHIPPED, PredictConfig


def add_demo(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("demo", help="make a small dataset and segment it")
    parser.add_argument(
        "--out", type=folder_path, default=Path("demo-output"), help="folder (demo-output)"
    )
    parser.add_argument("--no-window", action="store_true", help="only the table and the files")
    parser.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg._qt.sample_data import write_sample_dataset
    from napari_nucleiseg.atomic import saving
    from napari_nucleiseg.models import find_model
    from napari_nucleiseg.predictor import Predictor

    dataset, results = arguments.out / "dataset", arguments.out / "labels"
    say("Making a small dataset in the layout of DSB2018 ...")
    with saving(arguments.out):
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_sample_dataset(dataset)
    predictor = Predictor(find_model(SHIPPED))
    decode = predictor.model.decode
    code = predict_into(results, [str(dataset)], predictor, PredictConfig(), decode, overlays=True)
    say(f"\nImages: {dataset}\nLabels and overlay pictures: {results}")
    if code == OK and not arguments.no_window:
        return _demo_window(dataset, arguments.out / "pictures")
    return code


def _demo_window(dataset: Path, pictures: Path) -> int:
    """Open the docks on the dataset; on a machine without a screen, take pictures of them."""
    from importlib.util import find_spec

    if not any(find_spec(name) for name in ("PyQt5", "PyQt6")):
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
