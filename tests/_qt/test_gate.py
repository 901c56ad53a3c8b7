from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from squares import squares
from tiny_models import write_tiny_model

from napari_nucleiseg._qt.gate import Gate, in_words
from napari_nucleiseg.comparison import Comparison, Judged
from napari_nucleiseg.metrics import scores
from napari_nucleiseg.sample import Sample

TRUTH = squares((30, 210), *((5, 21 * n) for n in range(10)))


def judged(name: str, before: float | None, after: float) -> Judged:
    def found(share: float) -> np.ndarray:
        return np.where(10 * share >= TRUTH, TRUTH, 0)

    sample = Sample(name, Path(name), (), "kaggle", Path(name))
    old = None if before is None else scores(TRUTH, found(before))
    return Judged(sample, scores(TRUTH, found(after)), old)


def compared(gains: list[float]) -> Comparison:
    images = tuple(judged(f"i{n}", 0.5, 0.5 + gain) for n, gain in enumerate(sorted(gains)))
    return Comparison(images, len(images))


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        ([0.1, 0.2, 0.3, 0.2, 0.1], "Better: Mean AP +0.180"),
        ([-0.1, -0.2, -0.3, -0.2, -0.1], "Worse: Mean AP -0.180"),
        ([-0.3, 0.3, -0.2, 0.2, 0.1], "No clear difference"),
        ([0.1, 0.2], "From 2 fields of view it cannot be said"),
    ],
)
def test_the_verdict_says_how_sure_it_is(gains: list[float], words: str) -> None:
    assert words in in_words(compared(gains))


def test_without_an_old_model_there_is_no_verdict() -> None:
    assert "no model in use" in in_words(Comparison((judged("a", None, 1.0),), 1))


@pytest.fixture
def gate(qtbot: QtBot) -> Gate:
    gate = Gate()
    qtbot.addWidget(gate)
    gate.resize(320, 600)
    gate.show()
    return gate


def test_both_models_stand_side_by_side_and_the_worse_image_first(
    gate: Gate, tmp_path: Path
) -> None:
    old, new = write_tiny_model(tmp_path / "old"), write_tiny_model(tmp_path / "new")
    gate.show_comparison(compared([0.2, -0.1]), new, old)
    texts = [cell.text() for cell in gate.cells["AP .5"]]
    assert texts == ["0.500", "0.550", "+0.050"]
    assert [cell.text() for cell in gate.cells["Found nuclei"]] == ["5.0", "5.5", ""]
    assert gate.table.ids == ["i0", "i1"]
    assert gate.table.model().index(0, 3).data() == "-0.10"
    assert "old" in gate.title.text()
    assert gate.keep.text() == "Keep the old one"


@pytest.mark.parametrize(
    ("gains", "advised"),
    [
        ([0.1, 0.2, 0.3, 0.2, 0.1], {"use"}),
        ([-0.3, 0.3, -0.2, 0.2, 0.1], set()),
        ([0.2, -0.1], set()),
        ([0.1, -0.2], {"keep"}),
        ([-0.1, -0.2, -0.3, -0.2, -0.1], {"keep"}),
    ],
    ids=["better", "may be better", "too few to tell", "not better", "worse"],
)
def test_the_button_that_the_scores_speak_for_is_bold(
    gate: Gate, tmp_path: Path, gains: list[float], advised: set[str]
) -> None:
    old, new = write_tiny_model(tmp_path / "old"), write_tiny_model(tmp_path / "new")
    gate.show_comparison(compared(gains), new, old)
    gate.ensurePolished()
    bold = {name for name in ("use", "keep") if getattr(gate, name).font().bold()}
    assert bold == advised


@pytest.mark.parametrize(
    ("counts", "words", "unsaid"),
    [
        ({}, "From 2 fields", "chosen by"),
        ({"chosen_by": 2}, "weights were chosen by these images", "could not be scored"),
        ({"chosen_by": 1}, "weights were chosen by 1 image,", "could not be scored"),
        ({"missing": 3}, "3 more images could not be scored.", "chosen by"),
    ],
)
def test_what_keeps_the_scores_from_being_the_whole_truth_is_said(
    gate: Gate, tmp_path: Path, counts: dict[str, int], words: str, unsaid: str
) -> None:
    new = write_tiny_model(tmp_path / "new")
    gate.show_comparison(replace(compared([0.1, 0.2]), **counts), new, new)
    assert words in gate.verdict.text()
    assert unsaid not in gate.verdict.text()


def test_without_an_old_model_its_column_is_empty(gate: Gate, tmp_path: Path) -> None:
    new = write_tiny_model(tmp_path / "new")
    gate.show_comparison(Comparison((judged("a", None, 1.0),), 1), new, None)
    assert [cell.text() for cell in gate.cells["AP .5"]] == ["–", "1.000", ""]
    assert gate.keep.text() == "Do not use it"


def test_buttons_and_rows_say_what_the_person_wants(
    gate: Gate, tmp_path: Path, qtbot: QtBot
) -> None:
    heard: list[str] = []
    gate.accepted.connect(lambda: heard.append("use"))
    gate.refused.connect(lambda: heard.append("keep"))
    gate.chosen.connect(heard.append)
    gate.show_comparison(compared([0.1, 0.2]), write_tiny_model(tmp_path / "new"), None)
    gate.table.selectRow(1)
    for button in (gate.use, gate.keep):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert heard == ["i1", "use", "keep"]
