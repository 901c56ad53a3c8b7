"""The brush bar and a Labels layer follow one another."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_nucleiseg._qt.brush_bar import BrushBar


@pytest.fixture
def bar(qtbot: QtBot) -> BrushBar:
    bar = BrushBar()
    qtbot.addWidget(bar)
    bar.show()
    return bar


@pytest.fixture
def layer() -> Labels:
    return Labels(np.array([[0, 4], [2, 0]]))


def checked(bar: BrushBar) -> list[str]:
    return [mode for mode, button in bar.modes.items() if button.isChecked()]


def test_without_a_layer_it_is_disabled(bar: BrushBar, layer: Labels) -> None:
    assert not bar.isEnabled()
    bar.show_layer(layer)
    assert bar.isEnabled()
    bar.show_layer(None)
    assert not bar.isEnabled()


@pytest.mark.parametrize("mode", ["paint", "erase", "fill", "pick", "pan_zoom"])
def test_a_button_sets_the_mode(qtbot: QtBot, bar: BrushBar, layer: Labels, mode: str) -> None:
    layer.mode = "paint" if mode == "pan_zoom" else "pan_zoom"
    bar.show_layer(layer)
    qtbot.mouseClick(bar.modes[mode], Qt.MouseButton.LeftButton)
    assert layer.mode == mode
    assert checked(bar) == [mode]


def test_a_second_click_on_a_mode_keeps_it(qtbot: QtBot, bar: BrushBar, layer: Labels) -> None:
    bar.show_layer(layer)
    for _ in range(2):
        qtbot.mouseClick(bar.modes["erase"], Qt.MouseButton.LeftButton)
    assert (layer.mode, checked(bar)) == ("erase", ["erase"])


def test_it_shows_what_the_layer_does(bar: BrushBar, layer: Labels) -> None:
    bar.show_layer(layer)
    layer.mode, layer.brush_size, layer.selected_label = "fill", 7, 4
    assert checked(bar) == ["fill"]
    assert bar.brush_size.value() == 7
    assert (bar.size_text.text(), bar.label_text.text()) == ("Size 7 px", "Label 4")


def test_the_slider_sets_the_size_of_the_brush(bar: BrushBar, layer: Labels) -> None:
    bar.show_layer(layer)
    bar.brush_size.setValue(23)
    assert layer.brush_size == 23


def test_showing_a_large_brush_does_not_make_it_smaller(bar: BrushBar, layer: Labels) -> None:
    layer.brush_size = 400
    bar.show_layer(layer)
    assert layer.brush_size == 400


def test_a_new_label_is_one_that_is_free(qtbot: QtBot, bar: BrushBar, layer: Labels) -> None:
    bar.show_layer(layer)
    qtbot.mouseClick(bar.new_label, Qt.MouseButton.LeftButton)
    assert (layer.selected_label, layer.mode) == (5, "paint")


def test_while_a_tool_waits_no_mode_is_shown(bar: BrushBar, layer: Labels) -> None:
    bar.show_layer(layer)
    bar.show_in_use(False)
    assert checked(bar) == []
    bar.show_in_use(True)
    assert checked(bar) == ["pan_zoom"]


def test_a_layer_that_was_left_is_not_followed(bar: BrushBar, layer: Labels) -> None:
    other = Labels(np.zeros((2, 2), int))
    bar.show_layer(layer)
    bar.show_layer(other)
    layer.mode = "paint"
    assert checked(bar) == ["pan_zoom"]


def test_a_bar_that_is_gone_hears_nothing_of_its_layer(qtbot: QtBot, layer: Labels) -> None:
    bar = BrushBar()
    bar.show_layer(layer)
    with qtbot.waitSignal(bar.destroyed):
        bar.deleteLater()
    layer.mode = "paint"
    layer.brush_size = 7
