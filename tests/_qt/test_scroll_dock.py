from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_nucleiseg._qt.scroll_dock import ScrollDock

SHORT, LONG = "short", "a text that is a good deal wider than the column was at first"


class Window:
    def __init__(self, qtbot: QtBot) -> None:
        self.dock, self.check, column = ScrollDock(), QCheckBox(SHORT), QWidget()
        qtbot.addWidget(self.dock)
        rows = QVBoxLayout(column)
        rows.addWidget(self.check)
        rows.addStretch(1)
        column.setMinimumHeight(2000)  # there is a bar to scroll with
        self.dock.show_column(column, 100)
        self.dock.resize(self.dock.minimumWidth(), 300)
        self.dock.show()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is cut off at the right."""
        port, column = self.dock.viewport(), self.dock.widget()
        return bool(port.width() >= column.minimumSizeHint().width())


@pytest.fixture
def window(qtbot: QtBot) -> Window:
    return Window(qtbot)


def test_a_text_that_comes_later_is_not_cut_off(window: Window, qtbot: QtBot) -> None:
    before = window.dock.minimumWidth()
    assert before == 100
    window.check.setText(LONG)
    qtbot.waitUntil(lambda: window.dock.minimumWidth() > before)
    qtbot.waitUntil(lambda: window.is_whole)
    window.check.setText(SHORT)
    qtbot.waitUntil(lambda: window.dock.minimumWidth() == before)


def test_a_larger_font_is_not_cut_off(window: Window, qtbot: QtBot) -> None:
    window.check.setText(LONG)
    qtbot.waitUntil(lambda: window.dock.minimumWidth() > 100)
    before = window.dock.minimumWidth()
    font = window.dock.font()
    font.setPointSize(2 * font.pointSize())
    window.dock.setFont(font)
    qtbot.waitUntil(lambda: window.dock.minimumWidth() > before)
    qtbot.waitUntil(lambda: window.is_whole)


def test_room_for_a_bar_is_made_only_where_there_is_one(window: Window, qtbot: QtBot) -> None:
    window.check.setText(LONG)
    qtbot.waitUntil(lambda: window.dock.minimumWidth() > 100)
    with_bar = window.dock.minimumWidth()
    window.dock.widget().setMinimumHeight(0)
    qtbot.waitUntil(lambda: window.dock.minimumWidth() < with_bar)
    assert window.is_whole
