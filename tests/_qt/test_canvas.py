"""The inside of napari's canvas: pointer, camera, and what is kept from crashing it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hand import Hand, shown_window
from napari import Viewer
from qtpy.QtCore import QPoint
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_nucleiseg._qt import canvas


@pytest.fixture(scope="module")
def window(qapp: QApplication) -> Iterator[Viewer]:
    with shown_window() as viewer:
        viewer.add_image(np.zeros((100, 120)))
        viewer.reset_view()
        yield viewer


def test_the_pointer_is_where_it_is(window: Viewer) -> None:
    Hand(window).point(30, 40)
    assert canvas.pointer(window) == pytest.approx((30, 40), abs=0.3)


def test_the_pointer_stays_on_the_screen_when_the_camera_moves(window: Viewer) -> None:
    Hand(window).point(30, 40)
    camera = window.scene.camera
    before = camera.center
    camera.center = (before[-2] + 10, before[-1] + 20)
    assert canvas.pointer(window) == pytest.approx((40, 60), abs=0.3)
    camera.center = before


def test_a_move_that_napari_drops_is_not_lost(window: Viewer) -> None:
    hand = Hand(window)
    hand.point(30, 40)
    QTest.mouseMove(hand.canvas, hand.at(50, 60))
    QTest.mouseMove(hand.canvas, hand.at(70, 80))
    QApplication.processEvents()
    assert canvas.pointer(window) == pytest.approx((70, 80), abs=0.3)


def test_off_the_canvas_there_is_no_pointer(window: Viewer) -> None:
    Hand(window).point(30, 40)
    window.mouse_over_canvas = False
    assert canvas.pointer(window) is None
    window.mouse_over_canvas = True
    QTest.mouseMove(canvas.main_window(window), QPoint(2, 2))
    QTest.qWait(30)
    assert canvas.pointer(window) is None


def test_the_camera_looks_at_a_box_and_its_surroundings(window: Viewer) -> None:
    canvas.look_at(window, np.array([10.0, 20.0]), np.array([20.0, 26.0]))
    camera = window.scene.camera
    assert camera.center[-2:] == (15, 23)
    side = min(canvas.canvas_widget(window).width(), canvas.canvas_widget(window).height())
    assert side / camera.zoom == pytest.approx(60)
    window.reset_view()


def test_a_layer_is_fitted_as_napari_does_it(window: Viewer) -> None:
    camera = window.scene.camera
    window.reset_view()
    center, zoom = camera.center[-2:], camera.zoom
    other = window.add_image(np.zeros((700, 900)))
    window.reset_view()
    canvas.fit(window, window.layers[0])
    assert camera.center[-2:] == pytest.approx(center)
    assert camera.zoom == pytest.approx(zoom)
    window.layers.remove(other)


def test_a_layer_is_fitted_beside_a_stack(window: Viewer) -> None:
    """napari's own way fails there."""
    stack = window.add_image(np.zeros((3, 700, 900)))
    canvas.fit(window, window.layers[0])
    assert window.scene.camera.center[-2:] == pytest.approx((49.5, 59.5))
    window.layers.remove(stack)
    window.reset_view()


def test_the_brush_has_no_box_and_plain_lines(window: Viewer) -> None:
    """The box stays in the corner; napari's own lines end the process under Mesa, at times."""
    canvas.keep_from_crashing(window)
    layer = window.add_labels(np.zeros((100, 120), int))
    layer.mode = "paint"
    Hand(window).point(30, 40)
    visuals = window.window._qt_viewer.canvas._viewer_overlay_to_visual
    brush = visuals[window.canvas.overlays["_brush_circle"]][0]
    assert brush.node.visible
    assert brush.box.parent is None
    assert brush._white_circle.border.method == brush._black_circle.border.method == "gl"
    window.layers.remove(layer)
    QTest.qWait(50)


def test_a_window_that_is_kept_from_crashing_twice_does_no_more_than_once(
    window: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        canvas.keep_from_crashing(window)
    layer = window.add_labels(np.zeros((100, 120), int))
    calls: list[str] = []
    monkeypatch.setattr(canvas.canvas_widget(window), "makeCurrent", lambda: calls.append("made"))
    window.layers.remove(layer)
    assert calls == ["made"]


BRUSH = """
import numpy
from hand import Hand, shown_window
from napari_nucleiseg._qt.canvas import keep_from_crashing

with shown_window() as viewer:
    keep_from_crashing(viewer)
    layer = viewer.add_labels(numpy.zeros((100, 120), int))
    layer.mode = "paint"
    for place in range(10, 60):
        Hand(viewer).point(place, place)
    print("still here", flush=True)
"""


def test_the_window_outlives_the_brush_on_a_processor_of_few_instructions(qapp) -> None:
    """Mesa then works on four numbers at once, and napari's own brush ends the process at once."""
    process = subprocess.run(
        [sys.executable, "-c", BRUSH],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            "LP_NATIVE_VECTOR_WIDTH": "128",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
    )
    assert "still here" in process.stdout, process.stderr
