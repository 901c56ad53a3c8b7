from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_nucleiseg._qt.unfinished_row import UnfinishedRow
from napari_nucleiseg.runs import Run


@pytest.fixture
def row(qtbot: QtBot) -> UnfinishedRow:
    row = UnfinishedRow()
    qtbot.addWidget(row)
    row.resize(300, 80)
    return row


def test_it_is_hidden_without_a_run(row: UnfinishedRow, tmp_path: Path) -> None:
    row.show_run(Run(tmp_path, {"name": "mine"}))
    assert not row.isHidden()
    row.show_run(None)
    assert row.isHidden()


def test_a_run_is_finished_only_where_it_has_learned_something(
    row: UnfinishedRow, tmp_path: Path, qtbot: QtBot
) -> None:
    heard: list[str] = []
    row.resumed.connect(lambda: heard.append("resume"))
    row.finished.connect(lambda: heard.append("finish"))
    run = Run(tmp_path, {"name": "mine"})
    for _ in range(2):
        row.show_run(run)
        for button in (row.resume, row.finish):
            qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
        (tmp_path / "checkpoints" / "CURRENT").touch()
    assert heard == ["resume", "resume", "finish"]
    assert row.resume.text() == "Resume mine"
