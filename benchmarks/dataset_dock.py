"""Measure the pauses of the Dataset dock with many samples, and the wait for a sample.

    python benchmarks/dataset_dock.py [--samples 10000] [--edge 256]

Needs a display (or xvfb-run). Samples are hard links to a few made images, so that the
list is real and the disk is not filled. A pause is the longest time between two ticks of a
timer in the thread of the window, less the timer's own interval. On a busy machine it holds
the time that others took, so that thread's own processor time is given too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_nucleiseg._qt.dataset_dock import DatasetDock
from napari_nucleiseg.state import SampleState, Status, write_state
from napari_nucleiseg.synthetic import make_dataset

TICK = 0.002


class Heart:
    """Ticks in the thread of the window."""

    def __init__(self) -> None:
        self.start()
        self._timer = QTimer()
        self._timer.setInterval(round(1000 * TICK))
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def start(self) -> None:
        """Forget the longest pause."""
        self.longest = self.longest_own = 0.0
        self._last, self._last_own = time.perf_counter(), time.thread_time()

    def _tick(self) -> None:
        now, own = time.perf_counter(), time.thread_time()
        self.longest = max(self.longest, now - self._last - TICK)
        self.longest_own = max(self.longest_own, own - self._last_own)
        self._last, self._last_own = now, own

    def __str__(self) -> str:
        return (
            f"longest pause {1000 * self.longest:5.0f} ms"
            f" (processor {1000 * self.longest_own:4.0f} ms)"
        )


def make_many(folder: Path, count: int, edge: int) -> Path:
    """Write a dataset of hard links; every tenth sample has a status."""
    originals = sorted(
        each for each in make_dataset(folder / "few", count=6, edge=edge).iterdir() if each.is_dir()
    )
    many = folder / "many"
    for number in range(count):
        original = originals[number % len(originals)]
        sample = many / f"sample-{number:05d}"
        for part in ("images", "masks"):
            (sample / part).mkdir(parents=True)
            for file in (original / part).iterdir():
                name = f"{sample.name}.png" if part == "images" else file.name
                os.link(file, sample / part / name)
        if number % 10 == 0:
            write_state(sample, SampleState(Status.PREDICTED, "a model"))
    return many


def wait(condition: Callable[[], bool], seconds: float = 600) -> float:
    """Run the event loop until a condition holds; gives the seconds."""
    begun = time.perf_counter()
    while not condition():
        QApplication.processEvents()
        time.sleep(0.0005)
        if time.perf_counter() - begun > seconds:
            raise TimeoutError
    return time.perf_counter() - begun


@contextmanager
def measured(heart: Heart, what: str, is_done: Callable[[], bool]) -> Iterator[None]:
    """Print how long something took, and the longest pause while it did."""
    heart.start()
    begun = time.perf_counter()
    yield
    wait(is_done)
    took = time.perf_counter() - begun
    wait(lambda: time.perf_counter() - begun > took + 0.3)
    print(f"{what:32s} {1000 * took:6.0f} ms   {heart}")


def leaf(dock: DatasetDock, steps: int) -> None:
    """Time from asking for the next sample to its layers."""
    times = Times("next sample")
    for _ in range(steps):
        before = dock.layers.labels_layer
        with times.one():
            dock.session.next_sample()
            wait(lambda before=before: dock.layers.labels_layer not in (None, before))
        times.rest()
    times.show()


def save(dock: DatasetDock, steps: int) -> None:
    """Time from the key to the files, with a stroke before each."""
    times = Times("save")
    for step in range(steps):
        dock.layers.labels_layer.paint((10 + step, 10), 500)
        with times.one():
            dock.layers.saving.save()
            wait(lambda: not dock.layers.saving.is_busy)
        assert not dock.layers.draft.unsaved
        times.rest()
    times.show()


class Times:
    """Times of one thing done again and again."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._wall: list[float] = []
        self._own: list[float] = []

    @contextmanager
    def one(self) -> Iterator[None]:
        """Time one."""
        wall, own = time.perf_counter(), time.process_time()
        yield
        self._wall.append(time.perf_counter() - wall)
        self._own.append(time.process_time() - own)

    def rest(self) -> None:
        """Let the window come to rest, as between two keys of a person."""
        until = time.perf_counter() + 0.4
        wait(lambda: time.perf_counter() > until)

    def show(self) -> None:
        """Print them."""
        median, worst = 1000 * statistics.median(self._wall), 1000 * max(self._wall)
        own = 1000 * statistics.median(self._own)
        print(
            f"{self._what:32s} {median:6.0f} ms   worst {worst:5.0f} ms"
            f" (processor {own:4.0f} ms, {len(self._wall)} times)"
        )


def main() -> None:
    """Open, scan, scroll, filter, sort, leaf, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--edge", type=int, default=256, help="of the images [px]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        many = make_many(Path(folder), arguments.samples, arguments.edge)
        viewer = napari.Viewer(show=True, show_welcome_screen=False)
        viewer.window.resize(1280, 800)
        # napari's own first layers take up to a second, whatever they hold.
        viewer.add_image(np.zeros((64, 64), np.uint8))
        viewer.add_labels(np.zeros((64, 64), np.int32))
        viewer.layers.clear()
        dock = DatasetDock(viewer)
        viewer.window.add_dock_widget(dock, name="Dataset")
        heart = Heart()
        run(dock, heart, many)
        viewer.close()


def run(dock: DatasetDock, heart: Heart, many: Path) -> None:
    """Measure with a window that is open."""
    session, samples = dock.session, dock.list
    with measured(heart, "idle", lambda: True):
        pass
    with measured(heart, "open, until the first image", lambda: dock.layers.sample is not None):
        dock.opening.open(many)
    count = len(session.dataset.samples) if session.dataset else 0
    with measured(heart, f"statuses of {count}", lambda: len(session.states) == count):
        pass
    bar = samples.view.verticalScrollBar()
    with measured(heart, "scroll to the end, thumbnails", lambda: _has_thumbnails(dock)):
        bar.setValue(bar.maximum())
    for text, act in (
        ("search", lambda: samples.search.setText("77")),
        ("search nothing", lambda: samples.search.setText("")),
        ("filter by status", lambda: samples.status.setCurrentIndex(2)),
        ("all statuses", lambda: samples.status.setCurrentIndex(0)),
        ("sort by nuclei", lambda: samples.order.setCurrentIndex(2)),
        ("sort by name", lambda: samples.order.setCurrentIndex(0)),
    ):
        with measured(heart, text, lambda: True):
            act()
    leaf(dock, 20)
    save(dock, 10)


def _has_thumbnails(dock: DatasetDock) -> bool:
    rows = dock.list.visible_rows()
    ids = [dock.list.model.sample_at(row).id for row in rows]
    return bool(ids) and all(each in dock.list.thumbnails.images for each in ids)


if __name__ == "__main__":
    main()
