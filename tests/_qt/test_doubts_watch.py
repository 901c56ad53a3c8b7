"""Doubts are found again after every change, in a worker. No window is opened."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject

from napari_nucleiseg._qt.doubts_watch import DoubtsWatch
from napari_nucleiseg._qt.target import Target
from napari_nucleiseg.doubts import Doubt


def labels_with_holes(*nuclei: int) -> np.ndarray:
    """Three squares; the given ones have a hole."""
    labels = np.zeros((40, 120), np.int32)
    for nucleus in (1, 2, 3):
        left = 40 * (nucleus - 1) + 5
        labels[5:35, left : left + 30] = nucleus
        if nucleus in nuclei:
            labels[18:22, left + 13 : left + 17] = 0
    return labels


class Sample:
    """Compared by identity, and can be referred to weakly, as a sample can."""

    id = "a"


class Watched:
    def __init__(self, qtbot: QtBot) -> None:
        self.viewer = ViewerModel()
        self.session = SimpleNamespace(maps=lambda sample_id: None)
        self.layers = SimpleNamespace(labels_layer=None, sample=None)
        self.owner = QObject()
        target = Target(self.viewer, self.session, self.layers)
        self.watch = DoubtsWatch(self.viewer, target, self.owner)
        self.found: tuple[Doubt, ...] = ()
        self.times = 0
        self.watch.found.connect(self._on_found)
        self._qtbot = qtbot

    def _on_found(self, doubts: tuple[Doubt, ...], is_labelled: bool) -> None:
        self.found, self.is_labelled = doubts, is_labelled
        self.times += 1

    def add(self, labels: np.ndarray) -> Labels:
        layer = self.viewer.add_labels(labels.copy())
        self.watch.follow(layer)
        return layer

    def wait(self, ids: list[int]) -> None:
        self._qtbot.waitUntil(lambda: self.ids == ids, timeout=10_000)

    @property
    def ids(self) -> list[int]:
        return sorted(doubt.id for doubt in self.found)


@pytest.fixture
def watched(qtbot: QtBot) -> Watched:
    return Watched(qtbot)


@pytest.fixture
def settle(qtbot: QtBot) -> Callable[[], None]:
    return lambda: qtbot.wait(800)


def test_doubts_of_a_layer_are_found(watched: Watched) -> None:
    watched.add(labels_with_holes(2))
    watched.wait([2])
    assert watched.found[0].kind == "hole"


def test_labels_without_a_nucleus_are_told_apart(watched: Watched, qtbot: QtBot) -> None:
    layer = watched.add(np.zeros((40, 120), np.int32))
    qtbot.waitUntil(lambda: not watched.is_labelled, timeout=10_000)
    layer.data = labels_with_holes()
    qtbot.waitUntil(lambda: watched.is_labelled, timeout=10_000)
    assert watched.found == ()


def test_they_follow_edits_undo_and_redo(watched: Watched) -> None:
    layer = watched.add(labels_with_holes())
    layer.data_setitem((np.array([20, 20]), np.array([20, 21])), 0)
    watched.wait([1])
    layer.undo()
    watched.wait([])
    layer.redo()
    watched.wait([1])


def test_they_follow_new_data_and_another_layer(watched: Watched) -> None:
    layer = watched.add(labels_with_holes(2))
    watched.wait([2])
    layer.data = labels_with_holes(1)
    watched.wait([1])
    watched.add(labels_with_holes(3))
    assert watched.found == ()
    watched.wait([3])
    watched.watch.follow(None)
    assert watched.found == ()


def test_a_redraw_alone_is_no_reason_to_look_again(
    watched: Watched, settle: Callable[[], None]
) -> None:
    layer = watched.add(labels_with_holes(2))
    watched.wait([2])
    times = watched.times
    layer.contour = 1
    layer.refresh()
    settle()
    assert watched.times == times


def test_new_maps_are_a_reason(watched: Watched) -> None:
    layer = watched.add(labels_with_holes())
    watched.layers.labels_layer, watched.layers.sample = layer, Sample()
    unsure = np.full((*layer.data.shape, 3), 255, np.uint8)
    unsure[:, :40, 0] = 60
    unsure[..., 2] = 0
    watched.session.maps = lambda sample_id: unsure if sample_id == "a" else None
    watched.watch.look_soon()
    watched.wait([1])
    assert watched.found[0].kind == "unsure"


def test_what_was_dismissed_stays_off_also_in_a_new_layer_of_the_sample(watched: Watched) -> None:
    sample = Sample()
    layer = watched.add(labels_with_holes(1, 2))
    watched.layers.labels_layer, watched.layers.sample = layer, sample
    watched.wait([1, 2])
    watched.watch.dismiss(next(doubt for doubt in watched.found if doubt.id == 1))
    layer.data_setitem((np.array([0]), np.array([0])), 2)
    watched.wait([2])
    again = watched.viewer.add_labels(labels_with_holes(1, 3))
    watched.layers.labels_layer = again
    watched.watch.follow(again)
    watched.wait([3])


def test_a_dismissed_nucleus_that_grew_is_doubted_again(watched: Watched) -> None:
    layer = watched.add(labels_with_holes(1))
    watched.wait([1])
    watched.watch.dismiss(watched.found[0])
    layer.data_setitem((np.array([36]), np.array([10])), 3)
    watched.wait([3])
    layer.data_setitem((np.array([4]), np.array([10])), 1)
    watched.wait([1, 3])


def test_what_was_dismissed_comes_back_the_latest_first(watched: Watched) -> None:
    changes: list[bool] = []
    watched.watch.dismissed_changed.connect(changes.append)
    layer = watched.add(labels_with_holes(1, 2, 3))
    watched.wait([1, 2, 3])
    first, second, third = sorted(watched.found, key=lambda each: each.id)
    watched.watch.dismiss(first)
    watched.watch.dismiss(second)
    watched.wait([3])
    assert changes[-1]
    layer.data_setitem((np.array([4]), np.array([50])), 2)
    watched.wait([2, 3])
    assert watched.watch.bring_back() == first, "the second is listed again by itself"
    watched.wait([1, 2, 3])
    assert not changes[-1]
    assert watched.watch.bring_back() is None
    watched.watch.dismiss(third)
    watched.wait([1, 2])


def test_only_what_was_dismissed_of_the_same_layer_comes_back(
    watched: Watched, settle: Callable[[], None]
) -> None:
    layer = watched.add(labels_with_holes(1))
    watched.wait([1])
    watched.watch.dismiss(watched.found[0])
    watched.add(labels_with_holes(1, 2))
    watched.wait([1, 2])
    assert watched.watch.bring_back() is None
    watched.viewer.layers.selection.active = layer
    watched.watch.follow(layer)
    settle()
    assert watched.found == ()
    assert watched.watch.bring_back().id == 1
    assert watched.ids == [1]


def test_strokes_in_quick_succession_are_looked_at_once(
    watched: Watched, settle: Callable[[], None]
) -> None:
    layer = watched.add(labels_with_holes(2))
    watched.wait([2])
    times = watched.times
    for row in range(15, 20):
        layer.data_setitem((np.array([row]), np.array([20])), 0)
    settle()
    assert watched.times == times + 1


def test_a_watch_that_is_gone_hears_nothing_of_its_layer(watched: Watched, qtbot: QtBot) -> None:
    layer = watched.add(labels_with_holes(2))
    with qtbot.waitSignal(watched.watch.destroyed):
        watched.owner.deleteLater()
    layer.refresh()
