"""Take pictures of every dock, in both themes, as it is on a screen of 1280 x 800.

    python scripts/pictures.py [FOLDER]

Needs a display (`make pictures` brings a virtual one). All that is seen is made: images,
strokes, a model's prediction. By default the pictures go to docs/pictures.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import napari
from napari._qt.dialogs.qt_notification import NapariQtNotification
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_nucleiseg._qt import saving
from napari_nucleiseg._qt.docks import show_dock
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.sample_data import write_sample_dataset
from napari_nucleiseg.atomic import SaveFailed
from napari_nucleiseg.comparison import Comparison, Judged, compare
from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.lock import DatasetLock
from napari_nucleiseg.models import Model, list_models
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.run_folder import CURVES
from napari_nucleiseg.runs import Run
from napari_nucleiseg.truth import sort_by_truth

WIDTH, HEIGHT = 1280, 800
NAMES = ("Dataset", "Segment", "Correct", "Train", "Evaluate")
THEMES = ("dark", "light")
PATIENCE = 120.0


class Studio:
    """A window, and where its pictures go."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.viewer = napari.Viewer(title="napari-nucleiseg", show_welcome_screen=False)
        self.window = self.viewer.window._qt_window
        self.window.setGeometry(0, 0, WIDTH, HEIGHT)
        self.docks: dict[str, Any] = {}
        for name in NAMES[:3]:
            self.show(name)
        self.layers = layers_for(self.viewer)
        self.wait(1.0)
        for notice in self.window.findChildren(NapariQtNotification):
            notice.close()

    def show(self, name: str) -> Any:
        """Bring a dock to the front, over those that are there."""
        before = [each.parent() for each in self.docks.values()]
        self.docks[name] = widget = show_dock(self.viewer, name)
        for each in before:
            if each is not widget.parent():
                self.window.tabifyDockWidget(each, widget.parent())
        widget.parent().show()
        widget.parent().raise_()
        self.wait(0.3)
        return widget

    def take(self, name: str) -> None:
        """Take a picture in each theme."""
        for theme in THEMES:
            self.viewer.theme = theme
            self.wait(0.7)
            path = self.out / f"{name}-{theme}.png"
            QApplication.primaryScreen().grabWindow(0, 0, 0, WIDTH, HEIGHT).save(str(path))
            print(path)

    def open(self, folder: Path) -> None:
        """Open a dataset and wait for its first sample, thumbnails and all."""
        self.docks["Dataset"].opening.open(folder)
        self.until(lambda: self.layers.labels_layer is not None)
        self.wait(1.5)

    def wait(self, seconds: float) -> None:
        """Let the window work."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
            time.sleep(0.005)

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the window work until it has come so far."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError("The window did not come so far in two minutes.")
            self.wait(0.05)


def main() -> None:
    """Take them all."""
    root = Path(__file__).parents[1]
    parser = argparse.ArgumentParser(description="Take pictures of every dock, in both themes.")
    parser.add_argument("out", nargs="?", type=Path, default=root / "docs" / "pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with own_folders() as folder:
        studio = Studio(out)
        data = write_sample_dataset(folder / "made nuclei")
        take_work(studio, data)
        take_trouble(studio, data)
        take_models(studio, folder, data)
        studio.layers.session.pending.clear()
        studio.viewer.close()


@contextmanager
def own_folders() -> Iterator[Path]:
    """Keep models, caches and settings of the person who runs this out of the pictures."""
    with tempfile.TemporaryDirectory() as name:
        for variable in ("CACHE", "MODELS", "SETTINGS"):
            os.environ[f"NUCLEISEG_{variable}"] = f"{name}/{variable.lower()}"
        os.environ["XDG_DATA_HOME"] = f"{name}/data"
        yield Path(name)


def take_work(studio: Studio, data: Path) -> None:
    """Take the three docks of everyday work, before and after there is something in them."""
    studio.show("Correct")
    studio.take("correct-empty")
    studio.show("Dataset")
    studio.take("dataset-empty")
    studio.open(data)
    studio.take("dataset")
    segment = studio.show("Segment")
    studio.until(lambda: segment.run_bar.start_button.isEnabled())
    segment.run_bar.start_button.click()
    studio.until(lambda: not segment.segmenter.is_running)
    studio.wait(1.0)
    studio.take("segment")
    segment.show_maps.click()
    studio.wait(0.5)
    studio.take("segment-maps")
    segment.show_maps.click()
    correct = studio.show("Correct")
    studio.until(lambda: bool(correct.doubts.doubts))
    correct.doubts.go(1)
    studio.wait(0.5)
    studio.take("correct")
    correct.tool_grid.buttons[next(iter(correct.tool_grid.buttons))].click()
    studio.take("correct-waiting")
    correct.tools.cancel()
    correct.card.toggle()
    studio.take("keys")
    correct.card.toggle()
    studio.viewer.reset_view()


def take_trouble(studio: Studio, data: Path) -> None:
    """Take a save that failed, and a dataset that another window holds."""

    def fail(work: Any) -> None:
        raise SaveFailed(
            f"{work.folder} was not saved because the disk is full: free some space and try "
            "again, or save to another folder."
        )

    layers, real = studio.layers, saving.save_work
    studio.show("Dataset")
    saving.save_work = fail
    layers.labels_layer.paint((20, 20), 99)
    layers.saving.save()
    studio.until(lambda: bool(layers.saving.failures))
    studio.take("dataset-not-saved")
    studio.show("Correct")
    studio.take("correct-not-saved")
    saving.save_work = real
    layers.saving.save()
    studio.until(lambda: not layers.saving.is_busy)
    copy = Path(shutil.copytree(data, data.parent / "held by another"))
    with DatasetLock.acquire(copy):
        studio.show("Dataset")
        studio.open(copy)
        studio.take("dataset-read-only")
    studio.open(data)


def take_models(studio: Studio, folder: Path, data: Path) -> None:
    """Take the docks of models; nothing is trained."""
    train = studio.show("Train")
    studio.until(lambda: train.page.badge.name.text() != "…")
    studio.take("train")
    old, new, comparison = compare_made(studio)
    run = write_run(folder / "run", comparison.images[0])
    train.page.form.also_annotated.click()
    train.page.learning.show_run(run)
    train.page.learning.show()
    train.page.show_running(True)
    train.page.run_bar.begin("Training made-nuclei")
    train.page.run_bar.show_progress(Progress(200, 300, "Learning", "step"))
    studio.take("train-learning")
    train.page.run_bar.end("Stopped; what was learned up to the last validation is kept.")
    train.page.show_running(False)
    train.page.unfinished.show_run(run)
    studio.take("train-stopped")
    train.trial.gate.show_comparison(comparison, new, old)
    train.pages.setCurrentIndex(1)
    train.trial.gate.table.selectRow(0)
    studio.wait(1.5)
    studio.take("train-trial")
    evaluate = studio.show("Evaluate")
    studio.take("evaluate-before")
    evaluate.run_bar.start_button.click()
    studio.until(lambda: not evaluate.run_bar.is_running)
    # One where the model is wrong, and not only a pixel beside an outline.
    evaluate.table.selectRow(1)
    studio.wait(1.5)
    studio.take("evaluate")


def write_run(folder: Path, judged: Judged) -> Run:
    """Write what a training leaves, with made curves, of a run that was stopped half way."""
    config = dataclasses.asdict(TrainConfig(steps=300))
    run = Run(folder, {"name": "made-nuclei", "config": config})
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "CURRENT").touch()
    (folder / "pictures").mkdir()
    (folder / "pictures" / "step-00000000.png").write_bytes(judged.old_picture)
    (folder / "pictures" / "step-00000200.png").write_bytes(judged.new_picture)
    rows = [
        f"{step},{0.2 + 0.5 / (1 + step / 60):.3f},{0.75 - 0.3 / (1 + step / 40):.3f},"
        f"{0.9 - 0.3 / (1 + step / 40):.3f},{0.95 - 0.3 / (1 + step / 30):.3f}"
        for step in range(0, 201, 25)
    ]
    header = "step,loss,mean_ap,ap_50,train_ap_50"
    (folder / CURVES).write_text("\n".join([header, *rows]) + "\n")
    return run


def compare_made(studio: Studio) -> tuple[Model, Model, Comparison]:
    """Compare the shipped model with itself at thresholds that are not its own."""
    session = studio.layers.session
    old = session.model or next(iter(list_models()))
    decode = dataclasses.replace(old.decode, foreground=0.9)
    new = dataclasses.replace(old, name="made-nuclei", decode=decode)
    samples = sort_by_truth(session.dataset.samples, session.states).annotated
    *_, last = compare(samples, new, old, session.predict_config)
    return old, new, last.values["comparison"]


if __name__ == "__main__":
    main()
