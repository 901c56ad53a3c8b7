"""The list of doubts: what it shows, and where it leads."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_nucleiseg._qt.doubts_list import DoubtsList
from napari_nucleiseg.doubts import Doubt


def doubt(nucleus: int) -> Doubt:
    return Doubt(nucleus, "hole", 0.5, (nucleus, 0, nucleus + 5, 5), f"hole of {nucleus} px²")


@pytest.fixture
def doubts(qtbot: QtBot) -> DoubtsList:
    doubts = DoubtsList()
    qtbot.addWidget(doubts)
    doubts.resize(300, 400)
    doubts.show()
    doubts.show_doubts(tuple(doubt(nucleus) for nucleus in (3, 7, 9)))
    return doubts


@pytest.fixture
def chosen(doubts: DoubtsList) -> list[int]:
    chosen: list[int] = []
    doubts.chosen.connect(lambda each: chosen.append(each.id))
    return chosen


def test_it_counts(doubts: DoubtsList) -> None:
    assert doubts.count.text() == "3 doubtful nuclei"
    doubts.show_doubts((doubt(1),))
    assert doubts.count.text() == "1 doubtful nucleus"
    doubts.show_doubts(())
    assert doubts.count.text() == "No doubtful nuclei."
    assert not doubts.view.isVisible()
    assert not doubts.next.isEnabled()


def test_no_label_is_not_taken_for_no_doubt(doubts: DoubtsList) -> None:
    doubts.show_doubts((), False)
    assert "Nothing is labelled yet" in doubts.count.text()
    doubts.show_doubts(())
    assert doubts.count.text() == "No doubtful nuclei."


def test_a_line_says_which_nucleus_and_why(doubts: DoubtsList) -> None:
    index = doubts.model.index(1, 0)
    assert index.data() == "7:  hole of 7 px²"
    assert "Nucleus 7" in index.data(Qt.ItemDataRole.ToolTipRole)


def test_a_click_chooses(qtbot: QtBot, doubts: DoubtsList, chosen: list[int]) -> None:
    place = doubts.view.visualRect(doubts.model.index(2, 0)).center()
    qtbot.mouseClick(doubts.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert chosen == [9]
    assert doubts.current == doubt(9)


def test_next_and_previous_go_round(qtbot: QtBot, doubts: DoubtsList, chosen: list[int]) -> None:
    for _ in range(4):
        qtbot.mouseClick(doubts.next, Qt.MouseButton.LeftButton)
    for _ in range(2):
        qtbot.mouseClick(doubts.previous, Qt.MouseButton.LeftButton)
    assert chosen == [3, 7, 9, 3, 9, 7]


def test_previous_before_anything_was_chosen_is_the_last(
    doubts: DoubtsList, chosen: list[int]
) -> None:
    doubts.go(-1)
    assert chosen == [9]


def test_without_doubts_there_is_nowhere_to_go(doubts: DoubtsList, chosen: list[int]) -> None:
    doubts.show_doubts(())
    assert doubts.go(1) is None
    assert chosen == []


def test_what_looks_right_leaves_the_list(qtbot: QtBot, doubts: DoubtsList) -> None:
    assert not doubts.right.isEnabled()
    assert doubts.dismiss() is None
    doubts.go(1)
    doubts.go(1)
    with qtbot.waitSignal(doubts.dismissed) as signal:
        qtbot.mouseClick(doubts.right, Qt.MouseButton.LeftButton)
    assert signal.args == [doubt(7)]
    assert [each.id for each in doubts.doubts] == [3, 9]
    doubts.go(1)
    assert doubts.current == doubt(9)


def test_what_left_the_list_can_be_asked_for_again(
    qtbot: QtBot, doubts: DoubtsList, chosen: list[int]
) -> None:
    assert not doubts.back.isEnabled()
    doubts.show_dismissed(True)
    with qtbot.waitSignal(doubts.wanted_back):
        qtbot.mouseClick(doubts.back, Qt.MouseButton.LeftButton)
    doubts.go_to(doubt(7))
    assert chosen == [7]
    assert doubts.current == doubt(7)


def test_the_current_doubt_stays_current_in_a_new_list(doubts: DoubtsList) -> None:
    doubts.go(1)
    doubts.go(1)
    doubts.show_doubts((doubt(2), doubt(7)))
    assert doubts.current == doubt(7)
    doubts.go(1)
    assert doubts.current == doubt(2)


def test_after_a_repair_next_leads_to_the_one_behind(doubts: DoubtsList) -> None:
    doubts.go(1)
    doubts.go(1)
    doubts.show_doubts((doubt(3), doubt(9)))
    assert doubts.current is None
    doubts.go(1)
    assert doubts.current == doubt(9)


def test_letters_are_left_to_the_tools(qtbot: QtBot, doubts: DoubtsList) -> None:
    heard: list[str] = []
    doubts.keyPressEvent = lambda event: heard.append(event.text())
    qtbot.keyClick(doubts.view, Qt.Key.Key_9)
    qtbot.keyClick(doubts.view, Qt.Key.Key_D)
    assert heard == ["9", "d"]
    assert doubts.current is None
    qtbot.keyClick(doubts.view, Qt.Key.Key_Down)
    assert doubts.current == doubt(3)
