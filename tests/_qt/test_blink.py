from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication, QWidget

from napari_nucleiseg._qt import blink
from napari_nucleiseg._qt.blink import Blink


class Drawn(QWidget):
    """Counts how often it is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def paintEvent(self, event: object) -> None:  # noqa: N802 - the name is of Qt
        self.times += 1


@pytest.fixture
def drawn(qtbot: QtBot) -> Drawn:
    widget = Drawn()
    qtbot.addWidget(widget)
    with qtbot.waitExposed(widget):
        widget.show()
    qtbot.waitUntil(lambda: widget.times > 0)
    return widget


def test_a_widget_is_not_drawn_until_the_end(
    drawn: Drawn, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blink, "LONGEST", 60_000)
    held = Blink(drawn)
    held.begin()
    before = drawn.times
    for _ in range(5):
        drawn.update()
        QApplication.processEvents()
    assert drawn.times == before
    held.end()
    qtbot.waitUntil(lambda: drawn.times > before)


def test_it_is_drawn_soon_if_no_end_comes(drawn: Drawn, qtbot: QtBot) -> None:
    held = Blink(drawn)
    held.begin()
    held.begin()
    before = drawn.times
    drawn.update()
    qtbot.waitUntil(lambda: drawn.times > before)
    assert drawn.updatesEnabled()
