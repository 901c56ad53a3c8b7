"""Keeps the doubts of the labels that are corrected up to date, without holding up the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucleiseg._qt.listening import Ear
from napari_nucleiseg._qt.workers import JobHandle, run_call
from napari_nucleiseg.doubts import Doubt, find_doubts
from napari_nucleiseg.errors import BadInput

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

    from napari_nucleiseg._qt.plane import Plane
    from napari_nucleiseg._qt.target import Target

# Strokes follow one another; the list is made again when the hand has rested so long [ms].
_REST = 400

_Place = tuple[int, tuple[int, int, int, int]]


class DoubtsWatch(QObject):
    """Finds the doubts of a Labels layer again whenever it has changed.

    Parameters
    ----------
    viewer : Viewer
    target : Target
    parent : QObject

    Attributes
    ----------
    found : Signal(object, bool)
        Tuple of `Doubt`, without those that were dismissed; and whether anything is labelled.
    dismissed_changed : Signal(bool)
        Whether there is a dismissed one that `bring_back` finds.
    outdated : Signal()
        The labels, or what is known of them, changed; `found` follows.
    """

    found = Signal(object, bool)
    dismissed_changed = Signal(bool)
    outdated = Signal()

    def __init__(self, viewer: Viewer, target: Target, parent: QObject) -> None:
        super().__init__(parent)
        self._target = target
        self._layer: Labels | None = None
        self._ear = Ear(self)
        self._seen: tuple[np.ndarray, np.ndarray | None] | None = None
        self._job: JobHandle | None = None
        self._doubts: tuple[Doubt, ...] = ()  # with those that were dismissed
        self._is_labelled = True
        # By sample, or by layer where that belongs to none; the latest last.
        self._dismissed: WeakKeyDictionary[Any, list[_Place]] = WeakKeyDictionary()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REST)
        self._timer.timeout.connect(self._look)

    def follow(self, layer: Labels | None) -> None:
        """Watch another layer; None for none."""
        if layer is self._layer:
            return
        self._layer, self._seen = layer, None
        changes = () if layer is None else _changes(layer)
        self._ear.listen(*((signal, self.look_soon) for signal in changes))
        self._tell((), is_labelled=True)
        if layer is not None:
            self.look_soon()

    def look_soon(self) -> None:
        """Look again when the hand has rested."""
        self._timer.start()
        self.outdated.emit()

    def dismiss(self, doubt: Doubt) -> None:
        """Leave out a nucleus that looks right, until its box changes."""
        if self._layer is not None:
            key = self._target.sample(self._layer) or self._layer
            self._dismissed.setdefault(key, []).append(_place(doubt))
            self._tell(self._doubts, self._is_labelled)

    def bring_back(self) -> Doubt | None:
        """List the one again that was dismissed last, of those that are still doubtful."""
        doubts = {_place(each): each for each in self._doubts}
        places = self._dismissed_here()
        for place in reversed(places):
            if place in doubts:
                places.remove(place)
                self._tell(self._doubts, self._is_labelled)
                return doubts[place]
        return None

    def _look(self) -> None:
        if self._job is not None and self._job.is_running:
            self._timer.start()
            return
        plane = self._plane()
        if plane is None:
            self._seen = None
            self._tell((), is_labelled=True)
            return
        labels, maps = np.array(plane.pixels), self._target.maps(plane)
        if self._is_seen(labels, maps):
            return
        self._seen = labels, maps
        layer, is_labelled = plane.layer, bool(labels.any())
        self._job = run_call(
            find_doubts,
            labels,
            maps,
            on_result=lambda found: self._take(layer, found, is_labelled),
            owner=self,
        )

    def _plane(self) -> Plane | None:
        try:
            plane = self._target.plane()
        except BadInput:
            return None
        return plane if plane.layer is self._layer else None

    def _is_seen(self, labels: np.ndarray, maps: np.ndarray | None) -> bool:
        """Most redraws, of a contour or a colour, change no label."""
        if self._seen is None:
            return False
        before, maps_before = self._seen
        return maps is maps_before and np.array_equal(before, labels)

    def _take(self, layer: Labels, doubts: list[Doubt], is_labelled: bool) -> None:
        if layer is self._layer:
            self._tell(tuple(doubts), is_labelled)

    def _tell(self, doubts: tuple[Doubt, ...], is_labelled: bool) -> None:
        self._doubts, self._is_labelled = doubts, is_labelled
        dismissed = self._dismissed_here()
        left = tuple(each for each in doubts if _place(each) not in dismissed)
        self.found.emit(left, is_labelled)
        self.dismissed_changed.emit(len(left) < len(doubts))

    def _dismissed_here(self) -> list[_Place]:
        if self._layer is None:
            return []
        return self._dismissed.get(self._target.sample(self._layer) or self._layer, [])


def _place(doubt: Doubt) -> _Place:
    return doubt.id, doubt.bbox


def _changes(layer: Labels) -> tuple:
    # Undo and redo have no event of their own, but redraw; so does the move to another plane.
    return layer.events.paint, layer.events.data, layer.events.set_data
