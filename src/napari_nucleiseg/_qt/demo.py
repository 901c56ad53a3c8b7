"""The demo's window: a dataset open, the docks beside it, the first image segmented."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_nucleiseg._qt.dataset_dock import DatasetDock
from napari_nucleiseg._qt.docks import dataset_dock, show_dock
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.segment_dock import SegmentDock

PATIENCE = 120.0  # s: what pictures wait at most for


def run_demo(dataset: Path, pictures: Path | None = None) -> list[Path]:
    """Open the demo's window.

    Parameters
    ----------
    dataset : Path
        Its first sample should have no masks, so that there is something to segment.
    pictures : Path, optional
        A folder: then pictures of the docks are written to it and the window is closed,
        instead of being left to the person.

    Returns
    -------
    list of Path
        The pictures.
    """
    viewer = napari.Viewer(title="napari-nucleiseg: demo")
    viewer.window.resize(1280, 800)
    listed = dataset_dock(viewer)
    segment = show_dock(viewer, "Segment")
    show_dock(viewer, "Correct")
    show_dock(viewer, "Dataset")  # to the front
    _segment_the_first(viewer, segment)
    listed.opening.open(dataset)
    if pictures is None:
        napari.run()
        return []
    _wait_until(lambda: layers_for(viewer).labels_layer is not None)
    _wait_until(lambda: _is_segmented(viewer) and not segment.segmenter.is_running)
    return _take_pictures(viewer, listed, pictures)


def _segment_the_first(viewer: Any, segment: SegmentDock) -> None:
    """Press Segment as soon as a sample is shown and the button can be pressed."""
    button = segment.run_bar.start_button
    timer = QTimer(segment)

    def press() -> None:
        if layers_for(viewer).labels_layer is not None and button.isEnabled():
            timer.stop()
            button.click()

    timer.timeout.connect(press)
    timer.start(100)


def _is_segmented(viewer: Any) -> bool:
    layer = layers_for(viewer).labels_layer
    return layer is not None and bool(layer.data.any())


def _take_pictures(viewer: Any, listed: DatasetDock, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for theme in ("dark", "light"):
        viewer.theme = theme
        for name in ("Dataset", "Segment", "Correct"):
            show_dock(viewer, name)
            _wait(0.6)
            path = folder / f"{name.lower()}-{theme}.png"
            viewer.window.screenshot(str(path), canvas_only=False)
            paths.append(path)
    viewer.close()
    return paths


def _wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def _wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so() and time.monotonic() < end:
        _wait(0.05)
