from __future__ import annotations

from typing import Any

import pytest
from napari._app_model import get_app_model
from napari.settings import get_settings
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QDockWidget, QLabel, QVBoxLayout, QWidget

from napari_nucleiseg._qt.docks import PLUGIN, show_dock
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


# --- where docks come up


def open_from_menu(viewer: Any, qtbot: QtBot, name: str) -> QDockWidget:
    """Open a dock, or close it again, as the entry in the Plugins menu does."""
    get_app_model().commands.execute_command(f"{PLUGIN}.{name.lower()}").result()
    qtbot.wait(50)  # until what was put off is done
    dock = viewer.window.dock_widgets[f"{name} (Nucleus segmentation)"].parent()
    assert isinstance(dock, QDockWidget)
    return dock


def in_tabs_with(viewer: Any, dock: QDockWidget) -> set[str]:
    return {each.windowTitle() for each in viewer.window._qt_window.tabifiedDockWidgets(dock)}


def is_on_top(dock: QDockWidget) -> bool:
    return not dock.visibleRegion().isEmpty()


@pytest.fixture
def screen(viewer: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A viewer whose window is on the screen: only there docks have a place."""
    # napari keeps in mind where each dock was moved to.
    monkeypatch.setattr(get_settings().application, "plugin_widget_positions", {})
    viewer.window.show()
    viewer.window.resize(1280, 800)
    qtbot.waitExposed(viewer.window._qt_window)
    return viewer


def test_docks_from_the_menu_are_tabs_with_the_newest_on_top(screen: Any, qtbot: QtBot) -> None:
    listed = open_from_menu(screen, qtbot, "Dataset")
    assert in_tabs_with(screen, listed) == set(), "those of napari are left alone"
    before = listed.height()
    open_from_menu(screen, qtbot, "Segment")
    newest = open_from_menu(screen, qtbot, "Correct")
    qtbot.waitUntil(lambda: in_tabs_with(screen, newest) == {"Dataset", "Segment"})
    qtbot.waitUntil(lambda: is_on_top(newest))
    assert not is_on_top(listed)
    assert newest.height() > before - 50, "but for the bar with the tabs"


def test_those_of_other_plugins_keep_their_place(screen: Any, qtbot: QtBot) -> None:
    other = screen.window.add_dock_widget(QLabel("other"), name="Other", area="right")
    dock = open_from_menu(screen, qtbot, "Dataset")
    assert in_tabs_with(screen, dock) == set()
    qtbot.waitUntil(lambda: is_on_top(dock))
    assert is_on_top(other)


def test_docks_that_a_person_moved_are_left_there(screen: Any, qtbot: QtBot) -> None:
    listed = open_from_menu(screen, qtbot, "Dataset")
    moved = open_from_menu(screen, qtbot, "Segment")
    screen.window._qt_window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, moved)
    open_from_menu(screen, qtbot, "Segment")  # away
    open_from_menu(screen, qtbot, "Segment")
    show_dock(screen, "Segment")
    assert not moved.isHidden()
    assert in_tabs_with(screen, moved) == set()
    open_from_menu(screen, qtbot, "Correct")
    assert in_tabs_with(screen, moved) == set()
    qtbot.waitUntil(lambda: in_tabs_with(screen, listed) == {"Correct"})


def test_a_dock_that_the_program_opens_is_that_of_the_menu(screen: Any, qtbot: QtBot) -> None:
    listed = open_from_menu(screen, qtbot, "Dataset")
    assert listed.windowTitle() == "Dataset", "five tabs side by side have no room for more"
    assert show_dock(screen, "Dataset") is listed.widget()
    correct = show_dock(screen, "Correct")
    assert not correct.parent().isHidden()
    assert open_from_menu(screen, qtbot, "Correct").isHidden()
    show_dock(screen, "Correct")
    assert not correct.parent().isHidden()


def test_a_dock_that_was_hidden_is_on_top_when_it_comes_back(screen: Any, qtbot: QtBot) -> None:
    listed = open_from_menu(screen, qtbot, "Dataset")
    open_from_menu(screen, qtbot, "Correct")
    open_from_menu(screen, qtbot, "Dataset")  # away
    assert listed.isHidden()
    open_from_menu(screen, qtbot, "Dataset")
    qtbot.waitUntil(lambda: is_on_top(listed))
    qtbot.waitUntil(lambda: in_tabs_with(screen, listed) == {"Correct"})
