"""What the window tests share."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import napari
import pytest
from napari._qt.qt_viewer import QtViewer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication
from showing import FIRST, SECOND, show
from squares import EDGE, squares, write_sample

from napari_nucleiseg import session
from napari_nucleiseg._qt import layers


@pytest.fixture(autouse=True)
def _own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep recent datasets and rescued work of the person who runs the tests out of reach."""
    monkeypatch.setenv("NUCLEISEG_SETTINGS", str(tmp_path / "settings"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user-data"))
    monkeypatch.setenv("NUCLEISEG_SAMPLE", str(tmp_path / "made-nuclei"))


@pytest.fixture
def squares_folder(tmp_path: Path) -> Path:
    """Three samples of two squares; `a` has masks, `b` and `c` have not."""
    labels = squares((EDGE, EDGE), (10, 10), (50, 50))
    for name in "abc":
        write_sample(tmp_path / "squares" / name, labels, masks=name == "a")
    return tmp_path / "squares"


@pytest.fixture(scope="module")
def _one_viewer(qapp: QApplication) -> Iterator[napari.Viewer]:
    viewer = napari.Viewer(show=False, show_welcome_screen=False)
    # `make_napari_viewer`, in other modules, counts those left in here as leaked.
    QtViewer._instances.discard(viewer.window._qt_viewer)
    yield viewer
    viewer.close()
    gc.collect()


@pytest.fixture
def viewer(_one_viewer: napari.Viewer, qtbot: Any) -> Iterator[napari.Viewer]:
    """A viewer with a session of its own; one window, not shown, serves a whole module."""
    yield _one_viewer
    layers.layers_for(_one_viewer).saving.finish()
    mine = session.session_for(_one_viewer)
    mine.pending.clear()
    mine.close_dataset()
    _one_viewer.window.remove_dock_widget("all")
    _one_viewer.layers.clear()
    session._sessions.pop(_one_viewer)
    layers._layers.pop(_one_viewer, None)
    # So that what this test left to the event loop does not reach the next one.
    QApplication.sendPostedEvents()
    QApplication.processEvents()


@pytest.fixture
def shown(viewer: napari.Viewer, squares_folder: Path, qtbot: QtBot) -> layers.SampleLayers:
    """The layers of the first of three samples; only that one has masks."""
    shown = layers.layers_for(viewer)
    shown.session.open_dataset(squares_folder)
    show(qtbot, shown, FIRST)
    return shown


@pytest.fixture
def unlabelled(shown: layers.SampleLayers, qtbot: QtBot) -> layers.SampleLayers:
    """The same with the second sample, which has no masks."""
    show(qtbot, shown, SECOND)
    return shown
