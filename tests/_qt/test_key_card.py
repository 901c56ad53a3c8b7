"""The card of keys."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QLabel, QLineEdit, QMainWindow

from napari_nucleiseg._qt import key_groups
from napari_nucleiseg._qt.key_card import KeyCard
from napari_nucleiseg._qt.tool_list import TOOLS


@pytest.fixture
def window(qtbot: QtBot) -> QMainWindow:
    window = QMainWindow()
    window.resize(900, 600)
    qtbot.addWidget(window)
    window.show()
    QApplication.setActiveWindow(window)
    return window


@pytest.fixture
def card(window: QMainWindow) -> KeyCard:
    return KeyCard([[("Group", [("D", "Delete")])]], window)


def test_it_comes_and_goes_by_its_key(qtbot: QtBot, window: QMainWindow, card: KeyCard) -> None:
    qtbot.keyClick(window, "?")
    assert card.isVisible()
    assert not card.isModal()
    qtbot.keyClick(card, "?")
    assert not card.isVisible()


def test_escape_and_a_click_close_it(qtbot: QtBot, card: KeyCard) -> None:
    card.toggle()
    qtbot.keyClick(card, Qt.Key.Key_Escape)
    assert not card.isVisible()
    card.toggle()
    qtbot.mouseClick(card, Qt.MouseButton.LeftButton)
    assert not card.isVisible()


def test_a_question_mark_in_a_text_is_text(
    qtbot: QtBot, window: QMainWindow, card: KeyCard
) -> None:
    field = QLineEdit()
    window.setCentralWidget(field)
    field.setFocus()
    qtbot.keyClick(field, "?")
    assert field.text() == "?"
    assert not card.isVisible()


def test_it_shows_every_tool_and_no_key_twice(window: QMainWindow) -> None:
    card = KeyCard(key_groups.columns(), window)
    shown = [label.text() for label in card.findChildren(QLabel)]
    for tool in TOOLS:
        assert tool.key in shown
        assert tool.label in shown
    keys = [key for column in key_groups.columns() for _, rows in column for key, _ in rows]
    assert len(keys) == len(set(keys))
    assert all(keys)
