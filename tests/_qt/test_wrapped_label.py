"""Long names and paths do not widen a dock, and are copied as they are."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel

from napari_nucleiseg._qt.wrapped_label import WrappedLabel

PATH = "/data/2c840a94d216f5ef4e499b53ae885e9b022cbf639e004ec788436093837823b2/labels.tif"


@pytest.mark.parametrize("text", [PATH, f"<b>{PATH}</b> &amp; more", "x" * 500])
def test_the_least_width_does_not_grow_with_names(qtbot: QtBot, text: str) -> None:
    label = WrappedLabel(text)
    qtbot.addWidget(label)
    assert label.minimumSizeHint().width() < 250
    assert label.text() == text


def test_what_is_copied_is_the_text(qtbot: QtBot) -> None:
    label = WrappedLabel(PATH)
    qtbot.addWidget(label)
    label.show()
    label.setSelection(0, len(QLabel.text(label)))
    QTest.keyClick(label, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.clipboard().text() == PATH


def test_short_words_are_left_alone(qtbot: QtBot) -> None:
    label = WrappedLabel("<b>Three</b> short words")
    qtbot.addWidget(label)
    assert QLabel.text(label) == "<b>Three</b> short words"
