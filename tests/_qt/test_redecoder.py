from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject

from napari_nucleiseg._qt import redecoder
from napari_nucleiseg._qt.redecoder import Redecoder
from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.errors import BadInput

MAPS = np.zeros((8, 8, 3), np.uint8)
MAPS[2:6, 2:6, :2] = 255


@pytest.fixture
def owner(qapp: Any) -> QObject:
    return QObject()


def test_labels_arrive_in_the_thread_of_the_window(owner: QObject, qtbot: QtBot) -> None:
    shown: list[tuple[int, threading.Thread]] = []
    decoder = Redecoder(owner, pytest.fail)
    decoder.ask(
        MAPS,
        DecodeConfig(min_area=1),
        lambda labels: shown.append((labels.max(), threading.current_thread())),
    )
    qtbot.waitUntil(lambda: not decoder.is_busy)
    assert shown == [(1, threading.main_thread())]


def test_of_wishes_that_come_while_it_is_busy_the_last_one_counts(
    owner: QObject, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun = threading.Semaphore(0), []

    def decode(maps: np.ndarray, config: DecodeConfig, *_: Any) -> int:
        begun.append(config.min_area)
        gate.acquire(timeout=30)
        return config.min_area

    monkeypatch.setattr(redecoder, "_decode", decode)
    shown: list[int] = []
    decoder = Redecoder(owner, pytest.fail)
    for area in range(5):
        decoder.ask(MAPS, DecodeConfig(min_area=area), shown.append)
    gate.release(5)
    qtbot.waitUntil(lambda: not decoder.is_busy)
    assert begun == shown == [0, 4]


def test_what_was_dropped_is_not_shown(
    owner: QObject, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Semaphore(0)
    monkeypatch.setattr(redecoder, "_decode", lambda *_: gate.acquire(timeout=30))
    decoder = Redecoder(owner, pytest.fail)
    decoder.ask(MAPS, DecodeConfig(), pytest.fail)
    decoder.ask(MAPS, DecodeConfig(), pytest.fail)
    decoder.drop()
    gate.release(2)
    qtbot.waitUntil(lambda: not decoder.is_busy)


def test_an_error_is_told_and_the_next_wish_is_served(
    owner: QObject, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(maps: np.ndarray, *_: Any) -> None:
        raise BadInput("No maps.")

    told: list[str] = []
    decoder = Redecoder(owner, lambda error: told.append(str(error)))
    with monkeypatch.context() as patch:
        patch.setattr(redecoder, "_decode", decode)
        decoder.ask(MAPS, DecodeConfig(), pytest.fail)
        qtbot.waitUntil(lambda: not decoder.is_busy)
    assert told == ["No maps."]
    shown: list[np.ndarray] = []
    decoder.ask(MAPS, DecodeConfig(), shown.append)
    qtbot.waitUntil(lambda: bool(shown))
