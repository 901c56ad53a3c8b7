from __future__ import annotations

from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_nucleiseg._qt.pages import Pages


def test_they_are_as_high_as_the_page_that_is_shown(qtbot: QtBot) -> None:
    pages = Pages()
    qtbot.addWidget(pages)
    for height in (40, 400):
        page, label = QWidget(), QLabel("a page")
        label.setFixedHeight(height)
        rows = QVBoxLayout(page)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(label)
        pages.addWidget(page)
    assert pages.minimumSizeHint().height() == 40
    pages.setCurrentIndex(1)
    assert pages.minimumSizeHint().height() == 400
