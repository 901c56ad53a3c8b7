from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from magicgui.widgets.bases import BaseValueWidget
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from soup import Soup

from napari_nucleiseg._qt.controls import control_for

FIELDS = {each.name: each for each in dataclasses.fields(Soup)}


@pytest.fixture
def salt(qtbot: QtBot) -> BaseValueWidget[Any]:
    return shown("salt", qtbot)


def shown(name: str, qtbot: QtBot) -> BaseValueWidget[Any]:
    control = control_for(FIELDS[name], None)
    qtbot.addWidget(control.native)
    control.value = FIELDS[name].default
    return control


def heard(control: BaseValueWidget[Any]) -> list[Any]:
    said: list[Any] = []
    control.changed.connect(said.append)
    return said


def test_slider_and_box_move_together(salt: BaseValueWidget[Any]) -> None:
    said = heard(salt)
    salt.slider.setValue(salt.slider.value() + 1)
    assert salt.box.value() == 0.51
    assert said == [0.51]
    before = salt.slider.value()
    salt.box.setValue(0.9)
    assert salt.slider.value() > before


def test_a_lowest_value_that_means_something_else_is_shown_as_that(qtbot: QtBot) -> None:
    control = control_for(FIELDS["water"], None)
    qtbot.addWidget(control.native)
    control.value = 0
    assert control.box.text() == "none"
    control.box.lineEdit().selectAll()
    qtbot.keyClicks(control.box, "12")
    qtbot.keyClick(control.box, Qt.Key.Key_Return)
    assert control.value == 12
    assert control.box.text() == "12 ml"


@pytest.mark.parametrize(("name", "low", "high"), [("salt", 0.0, 1.0), ("water", 0, 10_000)])
def test_ends_of_a_slider_are_ends_of_the_range(
    name: str, low: float, high: float, qtbot: QtBot
) -> None:
    control = shown(name, qtbot)
    for end, value in ((control.slider.minimum(), low), (control.slider.maximum(), high)):
        control.slider.setValue(end)
        assert control.value == value


def test_a_long_slider_is_fine_at_its_low_end(qtbot: QtBot) -> None:
    control = shown("water", qtbot)
    control.slider.setValue(round(0.2 * control.slider.maximum()))
    assert control.value <= 100
    reached = set()
    for notch in range(control.slider.maximum() // 3):
        control.slider.setValue(notch)
        reached.add(control.value)
    assert set(range(60)) <= reached


@pytest.mark.parametrize(
    ("name", "value"),
    [("vegan", False), ("kind", "pea"), ("heat", 0.1), ("salt", 0.25), ("water", 90)],
)
def test_a_value_that_is_set_is_shown_and_said_once(name: str, value: Any, qtbot: QtBot) -> None:
    control = shown(name, qtbot)
    said = heard(control)
    control.value = value
    assert control.value == value
    assert said == [value]


def test_a_parameter_that_no_control_shows(qtbot: QtBot) -> None:
    field = dataclasses.field(default=(1, 2), metadata=FIELDS["heat"].metadata)
    field.name = "pair"
    with pytest.raises(TypeError, match="pair is a tuple"):
        control_for(field, None)


@pytest.mark.parametrize(
    ("typed", "taken"), [("100", 96), ("113", 128), ("33", 32), ("1024", 1024)]
)
def test_what_must_be_a_multiple_is_rounded(typed: str, taken: int, qtbot: QtBot) -> None:
    beans = shown("beans", qtbot)
    said = heard(beans)
    beans.box.selectAll()
    qtbot.keyClicks(beans.box, typed)
    qtbot.keyClick(beans.box, Qt.Key.Key_Return)
    assert beans.value == taken
    assert beans.box.text() == str(taken)
    assert said == [taken]


def test_the_field_is_left_with_the_enter_key(qtbot: QtBot) -> None:
    beans = shown("beans", qtbot)
    beans.box.setFocus()
    qtbot.keyClicks(beans.box, "6")
    assert beans.native.window().focusWidget() is beans.box
    qtbot.keyClick(beans.box, Qt.Key.Key_Return)
    assert beans.native.window().focusWidget() is None
