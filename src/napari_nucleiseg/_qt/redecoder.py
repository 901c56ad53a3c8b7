"""Labels that follow the sliders: the kept maps are decoded again, the latest wish wins."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qtpy.QtCore import QObject

from napari_nucleiseg._qt.workers import JobHandle, run_call
from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.cuts import Cuts
from napari_nucleiseg.errors import BadInput

Show = Callable[[np.ndarray], None]


class Redecoder:
    """Decodes maps in a worker, one at a time.

    While it is at work only the last wish is remembered: a slider that is dragged gets as
    many pictures as the machine can draw, and at last the one where it was let go.

    Parameters
    ----------
    owner : QObject
        Nothing is shown once it is destroyed.
    on_error : callable
        Called with a `BadInput`.
    """

    def __init__(self, owner: QObject, on_error: Callable[[BadInput], None]) -> None:
        self._owner = owner
        self._on_error = on_error
        self._wish: tuple[np.ndarray, DecodeConfig, Show] | None = None
        self._job: JobHandle | None = None
        self._cuts = Cuts()

    @property
    def is_busy(self) -> bool:
        """Whether labels are still to come."""
        return self._job is not None

    def ask(self, maps: np.ndarray, decode: DecodeConfig, show: Show) -> None:
        """Have maps decoded.

        Parameters
        ----------
        maps : (H, W, 3)
        decode : DecodeConfig
        show : callable
            Gets the labels (H, W) int32 in the thread of the window, unless another wish
            came before these were begun.
        """
        self._wish = maps, decode, show
        if self._job is None:
            self._begin()

    def drop(self) -> None:
        """Forget what was asked for; what is being decoded is not shown."""
        self._wish = None
        if self._job is not None:
            self._job.cancel()

    def _begin(self) -> None:
        if self._wish is None:
            self._job = None
            return
        maps, decode, show = self._wish
        self._wish = None
        self._job = run_call(
            _decode,
            maps,
            decode,
            self._cuts,
            on_result=show,
            on_error=self._on_error,
            on_end=self._begin,
            owner=self._owner,
        )


def _decode(maps: np.ndarray, decode: DecodeConfig, cuts: Cuts) -> np.ndarray:
    # scikit-image takes a while to be imported.
    from napari_nucleiseg.labels import labels_from_maps

    return labels_from_maps(maps, decode, cuts)
