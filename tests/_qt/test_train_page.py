from __future__ import annotations

import pytest
from qtpy.QtWidgets import QPushButton

from napari_nucleiseg._qt.train_page import TrainPage
from napari_nucleiseg.progress import Progress


@pytest.fixture
def page(qtbot):
    page = TrainPage(QPushButton("Back"))
    qtbot.addWidget(page)
    page.show()
    return page


def test_only_the_first_notes_are_shown(page):
    for number in range(6):
        page.show_step(Progress(0, 0, f"Note {number}.", "note"))
    assert page.notes.isVisible()
    assert page.notes.text() == "<br>".join(f"Note {number}." for number in range(4))


def test_steps_move_the_bar_and_other_messages_are_only_said(page, qtbot):
    page.run_bar.begin("Training")
    page.show_step(Progress(0, 0, "Reading images", "read"))
    assert page.run_bar.status.text() == "Reading images"
    page.show_step(Progress(3, 10, "", "step", {"loss": 0.5}))
    qtbot.waitUntil(lambda: "Learning" in page.run_bar.status.text())


def test_the_curves_stand_where_the_form_was(page):
    page.show_running(True)
    assert not page.form.isVisible()
    assert not page.estimate.isVisible()
    page.show_running(False)
    assert page.form.isVisible()
