from __future__ import annotations

from psygnal import Signal
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel, QWidget

from napari_nucleiseg._qt.listening import listen


class Data:
    changed = Signal(str)


class View(QLabel):
    def __init__(self, data: Data, parent: QWidget) -> None:
        super().__init__(parent)
        listen(self, (data.changed, self._on_changed))

    def _on_changed(self, text: str) -> None:
        self.setText(text)


def test_a_widget_hears_until_it_is_destroyed(qtbot: QtBot) -> None:
    data, parent = Data(), QWidget()
    qtbot.addWidget(parent)
    view = View(data, parent)
    data.changed.emit("one")
    assert view.text() == "one"
    with qtbot.waitSignal(view.destroyed):
        view.deleteLater()
    data.changed.emit("two")
    assert len(data.changed) == 0
