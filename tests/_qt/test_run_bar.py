from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_nucleiseg._qt.run_bar import RunBar
from napari_nucleiseg.progress import Progress


@pytest.fixture
def bar(qtbot: QtBot) -> RunBar:
    bar = RunBar("Go")
    qtbot.addWidget(bar)
    bar.show()
    return bar


def test_only_one_of_the_buttons_can_be_pressed(bar: RunBar) -> None:
    assert bar.start_button.isEnabled()
    assert not bar.cancel_button.isEnabled()
    bar.begin("Starting")
    assert not bar.start_button.isEnabled()
    assert bar.cancel_button.isEnabled()
    bar.end("Done.")
    assert bar.start_button.isEnabled()
    assert bar.status.text() == "Done."


def test_presses_are_told(bar: RunBar, qtbot: QtBot) -> None:
    with qtbot.waitSignal(bar.started):
        qtbot.mouseClick(bar.start_button, Qt.MouseButton.LeftButton)
    bar.begin("")
    with qtbot.waitSignal(bar.cancelled):
        qtbot.mouseClick(bar.cancel_button, Qt.MouseButton.LeftButton)


def test_progress_is_counted(bar: RunBar, qtbot: QtBot) -> None:
    bar.begin("Starting")
    assert bar.bar.isVisible()
    assert bar.bar.maximum() == 0  # busy: not known yet
    bar.show_progress(Progress(3, 12, "Segmenting"))
    qtbot.waitUntil(lambda: (bar.bar.value(), bar.bar.maximum()) == (3, 12))
    assert bar.status.text() == "Segmenting · 3 of 12"
    bar.show_progress(Progress(4, 12, "Segmenting"))
    qtbot.waitUntil(lambda: "left" in bar.status.text())
    bar.end("Done.")
    assert not bar.bar.isVisible()


def test_many_steps_are_drawn_as_one(bar: RunBar, qtbot: QtBot) -> None:
    bar.begin("Starting")
    drawn: list[int] = []
    bar.bar.valueChanged.connect(drawn.append)
    for done in range(1, 11):
        bar.show_progress(Progress(done, 12, "Segmenting"))
    qtbot.waitUntil(lambda: bool(drawn))
    assert drawn == [10]


def test_a_step_says_nothing_over_what_was_said_after_it(bar: RunBar, qtbot: QtBot) -> None:
    bar.begin("Starting")
    bar.show_progress(Progress(3, 12, "Segmenting"))
    bar.end("Done.")
    qtbot.wait(300)
    assert bar.status.text() == "Done."


def test_a_reason_keeps_it_from_starting_and_is_told(bar: RunBar) -> None:
    bar.set_reason("Open something first.")
    assert not bar.start_button.isEnabled()
    assert bar.status.text() == bar.start_button.toolTip() == "Open something first."
    bar.set_reason("")
    assert bar.start_button.isEnabled()
    assert bar.status.text() == ""


def test_a_reason_does_not_hide_how_a_job_went(bar: RunBar) -> None:
    bar.begin("Starting")
    bar.fail("The disk is full.")
    bar.set_reason("Open something first.")
    assert bar.status.text() == "The disk is full."


def test_what_went_wrong_looks_different(bar: RunBar) -> None:
    bar.say("Fine.")
    plain = bar.status.styleSheet()
    bar.complain("Not fine.")
    assert bar.status.styleSheet() != plain
    bar.begin("Again")
    assert bar.status.styleSheet() == plain
