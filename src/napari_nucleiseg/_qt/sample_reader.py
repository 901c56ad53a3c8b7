"""Reading the session's sample in a worker, the newest wish first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_nucleiseg._qt.workers import run_call

if TYPE_CHECKING:
    from napari_nucleiseg.errors import BadInput
    from napari_nucleiseg.sample import Sample
    from napari_nucleiseg.sample_files import Opened
    from napari_nucleiseg.session import Session


class SampleReader:
    """Reads one sample at a time: who leafs through many waits for the last one only.

    Parameters
    ----------
    session : Session
    on_read : callable
        Called with `Opened`, unless another sample is wanted by then.
    on_error : callable
        Called with `BadInput`, likewise.
    on_change : callable
        Called when `is_reading` may have changed.
    """

    def __init__(
        self,
        session: Session,
        on_read: Callable[[Opened], None],
        on_error: Callable[[BadInput], None],
        on_change: Callable[[], None],
    ) -> None:
        self._session = session
        self._on_read, self._on_error, self._on_change = on_read, on_error, on_change
        self._saves: Counter[str] = Counter()
        self._is_stale = False
        self.is_reading = False

    def read(self, sample: Sample) -> None:
        """Read the session's sample, as soon as the one before is read."""
        if not self.is_reading:
            self._start(sample)
        self._on_change()

    def note_saved(self, sample: Sample) -> None:
        """Take note of a save: what was read of the sample before it may be older."""
        self._saves[sample.id] += 1

    def _start(self, sample: Sample) -> None:
        self.is_reading, self._is_stale = True, False
        saves = self._saves[sample.id]
        run_call(
            self._session.read,
            sample,
            on_result=lambda opened: self._take(opened, saves),
            on_error=lambda error: self._refuse(sample, error),
            on_end=lambda: self._end(sample),
        )

    def _take(self, opened: Opened, saves: int) -> None:
        self._is_stale = self._saves[opened.sample.id] != saves
        if not self._is_stale and self._session.sample is opened.sample:
            self._on_read(opened)

    def _refuse(self, sample: Sample, error: BadInput) -> None:
        if self._session.sample is sample:
            self._on_error(error)

    def _end(self, sample: Sample) -> None:
        self.is_reading = False
        wanted = self._session.sample
        if wanted is not None and (wanted is not sample or self._is_stale):
            self._start(wanted)
        self._on_change()
