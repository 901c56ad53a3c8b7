"""Names that are longer than a dock is wide are shortened with a sign of it."""

from __future__ import annotations

from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel

from napari_nucleiseg._qt.name_line import name_line

LONG = "Saved 0bf33d3db4282d918ec3da7112d0bf0427d4eafe74b3ee0bb419770eefe8d7d6"


def test_a_long_name_keeps_its_beginning_and_its_end(qtbot: QtBot) -> None:
    line = name_line()
    qtbot.addWidget(line)
    line.resize(200, 22)
    line.show()
    line.setText(LONG)
    shown = QLabel.text(line)
    beginning, end = shown.split("…")
    assert LONG.startswith(beginning)
    assert LONG.endswith(end)
    assert min(len(beginning), len(end)) > 5
    assert line.fontMetrics().horizontalAdvance(shown) <= line.width()
    assert line.text() == LONG
    line.resize(2000, 22)
    assert QLabel.text(line) == LONG


def test_what_looks_like_markup_is_text(qtbot: QtBot) -> None:
    line = name_line()
    qtbot.addWidget(line)
    line.resize(400, 22)
    line.show()
    line.setText("Saved a & <b>")
    assert QLabel.text(line) == "Saved a & <b>"
