from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget
from soup import Soup

from napari_nucleiseg._qt.forms import ConfigForm, form_for
from napari_nucleiseg.config import Config, DecodeConfig, PredictConfig, TrainConfig


@pytest.fixture
def soup(qtbot: QtBot) -> ConfigForm:
    form = form_for(Soup)
    qtbot.addWidget(form)
    return form


def heard(form: ConfigForm) -> list[Soup]:
    said: list[Soup] = []
    form.changed.connect(said.append)
    return said


def texts(form: ConfigForm) -> list[str]:
    return [
        form.layout().itemAt(row, form.layout().ItemRole.LabelRole).widget().text()
        for row in range(form.layout().rowCount())
    ]


def test_a_form_starts_with_the_defaults_and_names_every_parameter(soup: ConfigForm) -> None:
    assert soup.config == Soup()
    assert texts(soup) == ["Salt", "Water", "Beans", "Heat", "Vegan", "Kind"]
    shown = [soup.control(name).value for name in ("salt", "water", "heat", "vegan", "kind")]
    assert shown == [0.5, 20, 0.002, True, "bean"]


def test_help_and_unit_come_from_the_config(soup: ConfigForm) -> None:
    assert "How much water." in soup.control("water").tooltip
    assert soup.control("water").box.text() == "20 ml"
    assert soup.control("heat").box.text() == "0.002"


@pytest.mark.parametrize(
    ("name", "value"), [("salt", 0.61), ("water", 812), ("heat", 0.00035), ("kind", "pea")]
)
def test_what_the_person_enters_reaches_the_config(
    soup: ConfigForm, qtbot: QtBot, name: str, value: float | str
) -> None:
    said = heard(soup)
    control = soup.control(name)
    if isinstance(value, str):
        qtbot.keyClick(control.native, Qt.Key.Key_Up)  # letters are keys of the canvas
    else:
        box = control.box
        box.selectAll()
        qtbot.keyClicks(box, str(value))
        qtbot.keyClick(box, Qt.Key.Key_Return)
    assert getattr(soup.config, name) == value
    assert said == [soup.config]


def test_a_press_on_a_check_box_reaches_the_config(soup: ConfigForm) -> None:
    said = heard(soup)
    soup.control("vegan").native.click()
    assert said == [Soup(vegan=False)]


def test_setting_a_config_is_silent_and_shown(soup: ConfigForm) -> None:
    said = heard(soup)
    soup.config = Soup(salt=0.25, water=500, heat=0.1, vegan=False, kind="pea")
    assert said == []
    assert soup.control("salt").slider.value() == soup.control("salt").slider.maximum() // 4
    assert soup.control("water").value == 500
    assert soup.control("vegan").value is False
    assert soup.control("kind").value == "pea"


def test_values_between_the_notches_survive_an_edit_of_another_parameter(soup: ConfigForm) -> None:
    soup.config = Soup(salt=0.4251)
    soup.control("water").box.setValue(30)
    assert soup.config == Soup(salt=0.4251, water=30)


def test_parameters_that_are_not_shown_keep_what_was_set(qtbot: QtBot) -> None:
    form = form_for(DecodeConfig, ["distance"], labels={"distance": "Separation"})
    qtbot.addWidget(form)
    form.config = DecodeConfig(foreground=0.7)
    form.control("distance").box.setValue(0.6)
    assert form.config == DecodeConfig(foreground=0.7, distance=0.6)
    assert texts(form) == ["Separation"]


@pytest.mark.parametrize("config_class", [DecodeConfig, PredictConfig, TrainConfig])
def test_every_config_of_the_program_has_a_form(config_class: type[Config], qtbot: QtBot) -> None:
    form = form_for(config_class)
    qtbot.addWidget(form)
    assert form.config == config_class()
    form.config = form.config
    for name in config_class.__dataclass_fields__:
        assert form.control(name).value == getattr(config_class(), name), name


def test_a_slider_can_be_left_out(qtbot: QtBot) -> None:
    form = form_for(PredictConfig, ["diameter"], sliders=())
    qtbot.addWidget(form)
    assert not hasattr(form.control("diameter"), "slider")


def turn_wheel(widget: QWidget) -> None:
    event = QWheelEvent(
        QPointF(5, 5), QPointF(widget.mapToGlobal(QPoint(5, 5))), QPoint(0, 120), QPoint(0, 120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


def test_the_wheel_changes_only_what_has_the_focus(soup: ConfigForm, qtbot: QtBot) -> None:
    soup.show()
    qtbot.waitExposed(soup)
    control = soup.control("salt")
    soup.control("kind").native.setFocus()
    turn_wheel(control.slider)
    turn_wheel(control.box)
    turn_wheel(soup.control("water").box)
    assert soup.config == Soup()
    soup.activateWindow()
    control.box.setFocus()
    qtbot.waitUntil(control.box.hasFocus)
    turn_wheel(control.box)
    assert soup.config.salt > 0.5
