"""A predictor that waits to be let through, so that a test acts in the middle of a job."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.progress import Progress


class GatedPredictor(Predictor):
    """Waits before the first tile of every image until it is let through.

    Attributes
    ----------
    calls : int
        How many images it was asked for.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.calls = 0
        self._gate = threading.Semaphore(0)

    def predict_maps(self, *arguments: Any) -> Iterator[Progress]:
        self.calls += 1
        yield Progress(0, 1, "Waiting")
        if not self._gate.acquire(timeout=60):
            raise TimeoutError("No test let the predictor through.")
        yield from super().predict_maps(*arguments)

    def let_through(self, images: int = 1) -> None:
        self._gate.release(images)
