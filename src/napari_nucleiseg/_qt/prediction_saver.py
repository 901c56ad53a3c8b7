"""Predictions that are on show are kept on the disk as well, when the sliders rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_nucleiseg._qt.workers import run_call
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.sample_saving import save_prediction
from napari_nucleiseg.session import Session
from napari_nucleiseg.state import SampleState, Status

REST = 500
"""How long [ms] nothing new may come before a prediction is written."""


@dataclass(frozen=True, eq=False)
class _Wish:
    sample: Sample
    folder: Path
    labels: np.ndarray
    model: str


class PredictionSaver(QObject):
    """Writes the newest prediction of each sample, one after the other.

    Parameters
    ----------
    session : Session
        Gets the new states.
    parent : QObject
    """

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._wishes: dict[str, _Wish] = {}
        self._is_writing = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._begin)

    def keep(self, sample: Sample, labels: np.ndarray) -> None:
        """Have a prediction (H, W) int32 written, unless a newer one follows at once.

        Nothing happens where nothing can be written, and for a sample that was annotated.
        """
        model = self._session.model
        if model is None or not self._session.is_writable or sample.mask_paths:
            return
        folder = self._session.folder_of(sample)
        self._wishes[sample.id] = _Wish(sample, folder, labels, model.name)
        self._timer.start(REST)

    def flush(self) -> None:
        """Begin to write what is still to be written, without a rest."""
        self._timer.stop()
        self._begin()

    def _begin(self) -> None:
        if self._is_writing or not self._wishes:
            return
        wish = self._wishes.pop(next(iter(self._wishes)))
        self._is_writing = True
        run_call(
            save_prediction,
            wish.sample,
            wish.folder,
            wish.labels,
            wish.model,
            on_result=lambda state: self._on_written(wish, state),
            on_error=self._on_failed,
            on_end=self._on_end,
            owner=self,
            must_finish=True,
        )

    def _on_written(self, wish: _Wish, state: SampleState) -> None:
        sample, session = wish.sample, self._session
        if sample.id not in session or session[sample.id] is not sample:
            return
        count = int(wish.labels.max(initial=0)) if state.status is Status.PREDICTED else None
        session.note_state(sample.id, state, count)

    def _on_failed(self, error: BadInput) -> None:
        self._session.failed.emit(str(error))

    def _on_end(self) -> None:
        self._is_writing = False
        self._begin()
