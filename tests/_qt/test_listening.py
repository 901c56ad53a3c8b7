from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from napari.utils.events import EmitterGroup
from psygnal import Signal
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication, QLabel, QWidget

from napari_nucleiseg._qt.listening import Ear, ask_calmly, calm_timer, listen


class Data:
    changed = Signal(str)


class View(QLabel):
    def __init__(self, data: Data | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.itself = self  # so that only the garbage collector takes it
        if data is not None:
            listen(self, (data.changed, self.show_text), (data.changed, self.note))

    def show_text(self, text: str) -> None:
        self.setText(text)

    def show_event(self, event: Any) -> None:
        self.setText(event.value)

    def note(self) -> None:
        self.setToolTip("noted")


@pytest.fixture
def view(qapp: QApplication) -> View:
    return View()


def destroy(view: View, qtbot: QtBot) -> None:
    with qtbot.waitSignal(view.destroyed):
        view.deleteLater()


def test_a_widget_hears_until_it_is_destroyed(qtbot: QtBot) -> None:
    data, parent = Data(), QWidget()
    qtbot.addWidget(parent)
    view = View(data, parent)
    data.changed.emit("one")
    assert (view.text(), view.toolTip()) == ("one", "noted")
    destroy(view, qtbot)
    data.changed.emit("two")


def test_a_widget_is_not_kept_by_what_it_hears(qtbot: QtBot) -> None:
    data = Data()
    view = weakref.ref(View(data))
    gc.collect()
    assert view() is None
    data.changed.emit("one")


def test_an_ear_hears_one_thing_at_a_time(view: View, qtbot: QtBot) -> None:
    one, two, ear = Data(), Data(), Ear(view)
    ear.listen((one.changed, view.show_text))
    ear.listen((two.changed, view.show_text))
    one.changed.emit("one")
    assert view.text() == ""
    two.changed.emit("two")
    assert view.text() == "two"
    assert len(one.changed) == 0
    destroy(view, qtbot)
    two.changed.emit("three")


def test_events_of_napari_are_heard_with_and_without_the_event(view: View, qtbot: QtBot) -> None:
    events = EmitterGroup(named=None)
    listen(view, (events.named, view.note), (events.named, view.show_event))
    events.named(value="one")
    assert (view.text(), view.toolTip()) == ("one", "noted")
    destroy(view, qtbot)
    events.named(value="two")


def test_many_signals_in_a_row_are_answered_once(qtbot: QtBot) -> None:
    owner, calls = QWidget(), []
    qtbot.addWidget(owner)
    timer = calm_timer(owner, lambda: calls.append(1))
    for _ in range(20):
        ask_calmly(timer)
    qtbot.waitUntil(lambda: bool(calls))
    qtbot.wait(300)
    assert len(calls) == 1
    ask_calmly(timer)
    qtbot.waitUntil(lambda: len(calls) == 2)
