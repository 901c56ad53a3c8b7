"""Names that are longer than a dock is wide are shortened with a sign of it."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_nucleiseg._qt.eliding_label import ElidingLabel

LONG = "Annotated: 0bf33d3db4282d918ec3da7112d0bf0427d4eafe74b3ee0bb419770eefe8d7d6"


@pytest.fixture
def label(qtbot: QtBot) -> ElidingLabel:
    label = ElidingLabel()
    qtbot.addWidget(label)
    label.resize(220, 22)
    label.show()
    return label


def test_a_short_text_is_shown_as_it_is(label: ElidingLabel) -> None:
    label.setText("Annotated: a & <b>")
    assert label.shown_text == label.text() == "Annotated: a & <b>"


def test_a_long_text_keeps_its_beginning_and_its_end(label: ElidingLabel) -> None:
    label.setText(LONG)
    beginning, end = label.shown_text.split("…")
    assert LONG.startswith(beginning)
    assert LONG.endswith(end)
    assert min(len(beginning), len(end)) > 5
    assert label.text() == LONG
    assert label.fontMetrics().horizontalAdvance(label.shown_text) <= label.width()


def test_it_shows_more_when_there_is_more_room(label: ElidingLabel) -> None:
    label.setText(LONG)
    label.resize(2000, 22)
    assert label.shown_text == LONG
    label.resize(100, 22)
    assert "…" in label.shown_text


def test_what_is_copied_of_a_shortened_text_is_the_whole(label: ElidingLabel) -> None:
    label.setText(LONG)
    label.setSelection(0, 5)
    QTest.keyClick(label, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.clipboard().text() == LONG
    label.setText("Annotated: a")
    label.setSelection(0, 9)
    QTest.keyClick(label, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.clipboard().text() == "Annotated"
