from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_nucleiseg._qt.score_table import ScoreTable

ROWS = [("img10", 0.1, 12), ("img2", 0.25, 3), ("img1", 1.0, 100)]


@pytest.fixture
def table(qtbot: QtBot) -> ScoreTable:
    table = ScoreTable([("AP", ".2f", "Score."), ("Nuclei", "d", "Count.")])
    qtbot.addWidget(table)
    table.show_rows(ROWS)
    table.resize(320, 200)
    table.show()
    return table


def test_rows_stand_in_the_order_given(table: ScoreTable) -> None:
    assert table.ids == ["img10", "img2", "img1"]
    assert [table.model().index(1, column).data() for column in range(3)] == ["img2", "0.25", "3"]


def test_a_press_on_a_header_sorts_numbers_as_numbers(table: ScoreTable) -> None:
    table.sortByColumn(2, Qt.SortOrder.AscendingOrder)
    assert table.ids == ["img2", "img10", "img1"]
    table.show_rows(ROWS)
    assert table.ids == ["img10", "img2", "img1"]


def test_a_click_chooses_a_row_and_arrow_keys_go_on(table: ScoreTable, qtbot: QtBot) -> None:
    chosen: list[str] = []
    table.chosen.connect(chosen.append)
    middle = table.visualRect(table.model().index(1, 1)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    qtbot.keyClick(table, Qt.Key.Key_Down)
    assert chosen == ["img2", "img1"]


def test_a_row_that_is_not_marked_any_more_can_be_clicked_again(
    table: ScoreTable, qtbot: QtBot
) -> None:
    chosen: list[str] = []
    table.chosen.connect(chosen.append)
    middle = table.visualRect(table.model().index(1, 1)).center()
    for _ in range(2):
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=middle)
        table.select("elsewhere")
    assert chosen == ["img2", "img2"]


def test_marking_a_row_does_not_go_there(table: ScoreTable) -> None:
    chosen: list[str] = []
    table.chosen.connect(chosen.append)
    table.select("img1")
    assert [index.row() for index in table.selectionModel().selectedRows()] == [2]
    table.select("elsewhere")
    assert not table.selectionModel().selectedRows()
    assert chosen == []


def test_all_columns_are_in_sight(table: ScoreTable) -> None:
    header = table.horizontalHeader()
    assert header.length() <= table.viewport().width()
    assert header.sectionSize(0) > 60
