from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, QPoint
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QApplication, QToolTip

from napari_nucleiseg._qt.eliding_combo import ElidingCombo

LONG = "a long name of a sample that no dock is wide enough for, number 17"


@pytest.fixture
def combo(qtbot: QtBot) -> ElidingCombo:
    combo = ElidingCombo()
    qtbot.addWidget(combo)
    combo.addItems(["short", LONG])
    combo.resize(160, 26)
    combo.show()
    return combo


def hover(combo: ElidingCombo) -> None:
    place = QPoint(10, 10)
    QApplication.sendEvent(combo, QHelpEvent(QEvent.Type.ToolTip, place, combo.mapToGlobal(place)))


def test_a_short_text_is_shown_as_it_is(combo: ElidingCombo) -> None:
    assert combo.shown_text == "short"


def test_a_long_text_keeps_its_beginning_and_its_end(combo: ElidingCombo) -> None:
    combo.setCurrentIndex(1)
    combo.repaint()
    assert combo.shown_text.startswith("a ")
    assert combo.shown_text.endswith("17")
    assert "…" in combo.shown_text
    assert combo.currentText() == LONG


def test_the_whole_text_is_the_tooltip_unless_there_is_another(combo: ElidingCombo) -> None:
    combo.setCurrentIndex(1)
    hover(combo)
    assert QToolTip.text() == LONG
    combo.setToolTip("What it is about.")
    hover(combo)
    assert QToolTip.text() == "What it is about."
    QToolTip.hideText()


def test_a_long_text_does_not_widen_it(combo: ElidingCombo) -> None:
    assert combo.minimumSizeHint().width() < combo.fontMetrics().horizontalAdvance(LONG)
