from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject
from squares import EDGE, squares
from tiny_models import write_tiny_model

from napari_nucleiseg._qt.prediction_saver import PredictionSaver
from napari_nucleiseg.session import Session
from napari_nucleiseg.state import Status, read_state
from napari_nucleiseg.storage import read_prediction

ONE = squares((EDGE, EDGE), (10, 10))
TWO = squares((EDGE, EDGE), (10, 10), (50, 50))


@pytest.fixture
def session(squares_folder: Path, tmp_path: Path) -> Any:
    session = Session()
    session.open_dataset(squares_folder)
    session.set_model(write_tiny_model(tmp_path / "tiny"))
    yield session
    session.close_dataset()


@pytest.fixture
def saver(session: Session, qapp: Any) -> PredictionSaver:
    return PredictionSaver(session, QObject(qapp))


def settle(saver: PredictionSaver, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not saver._wishes and not saver._is_writing, timeout=30_000)


def test_the_last_of_many_is_written(
    session: Session, saver: PredictionSaver, qtbot: QtBot
) -> None:
    sample = session["b"]
    written = []
    session.state_changed.connect(written.append)
    for labels in (ONE, ONE, TWO):
        saver.keep(sample, labels)
    settle(saver, qtbot)
    assert written == ["b"]
    kept, model = read_prediction(sample.folder)
    assert np.array_equal(kept, TWO)
    assert model == "tiny"
    assert session.state_of(sample).status is read_state(sample.folder).status is Status.PREDICTED
    assert session.counts["b"] == 2


def test_each_sample_is_written(session: Session, saver: PredictionSaver, qtbot: QtBot) -> None:
    saver.keep(session["b"], ONE)
    saver.keep(session["c"], TWO)
    settle(saver, qtbot)
    assert read_prediction(session["b"].folder)[0].max() == 1
    assert read_prediction(session["c"].folder)[0].max() == 2


def test_a_correction_keeps_its_status_and_count(
    session: Session, saver: PredictionSaver, qtbot: QtBot
) -> None:
    sample = session["b"]
    session.save(sample, TWO)
    saver.keep(sample, ONE)
    settle(saver, qtbot)
    assert read_state(sample.folder).status is Status.CORRECTED
    assert session.counts["b"] == 2


def test_nothing_is_written_for_an_annotated_sample_or_a_read_only_dataset(
    session: Session, saver: PredictionSaver, qtbot: QtBot
) -> None:
    saver.keep(session["a"], ONE)
    session.read_only = "Somebody else has it open."
    saver.keep(session["b"], ONE)
    settle(saver, qtbot)
    assert read_prediction(session["a"].folder) is None
    assert read_prediction(session["b"].folder) is None
