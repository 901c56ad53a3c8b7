"""Opening a dataset in a window: everything slow in a worker, one at a time."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import platformdirs
from psygnal import Signal
from qtpy.compat import isalive
from qtpy.QtCore import QObject

from napari_nucleiseg._qt.listening import listen
from napari_nucleiseg._qt.memory import (
    correction_folder_of,
    remember_correction_folder,
    remember_dataset,
)
from napari_nucleiseg._qt.workers import JobHandle, run_job
from napari_nucleiseg.archive import extract
from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.sample_files import (
    OpenDataset,
    find_unsaved,
    lock_folder,
    open_dataset,
    read_states,
)
from napari_nucleiseg.sample_table import TABLE

if TYPE_CHECKING:
    from napari_nucleiseg._qt.layers import SampleLayers
    from napari_nucleiseg.lock import DatasetLock
    from napari_nucleiseg.sample import Sample


class Opening(QObject):
    """Opens datasets for a viewer's session, then reads the statuses of all samples.

    Attributes
    ----------
    path : Path, or None
        What is being opened.
    folder_away : Path, or None
        Where the corrections of the open dataset are, if that is out of reach.
    message : str
        How far it is; "" while nothing is being opened.
    is_over : bool
        Whether the window closes: what is opened now is let go of.
    """

    changed = Signal()
    """`path` or `message` changed."""

    def __init__(self, layers: SampleLayers) -> None:
        super().__init__()
        self._layers, self._session = layers, layers.session
        self.path: Path | None = None
        self.folder_away: Path | None = None
        self.message = ""
        self._make: Callable[[Path], object] = _take_as_it_is
        self._is_found = False
        self._scan: JobHandle | None = None
        self.is_over = False
        listen(self, (self._session.dataset_changed, self._on_dataset_changed))

    def open(self, path: Path, make: Callable[[Path], object] | None = None) -> None:
        """Open a folder, a zip archive or an image; nothing happens while one is being opened.

        Labels that are unsaved are saved first. If that fails, or there is nothing to be opened
        at the path, the present dataset stays.

        Parameters
        ----------
        path : Path
        make : callable, optional
            Called with the path before it is opened, in the worker: makes what is not there.
        """
        if self.path is None:
            self._make = make or _take_as_it_is
            self._show(Path(path), f"Opening {Path(path).name}")
            if make is None:
                self._look(Path(path))
            else:
                self._leave()

    def _look(self, path: Path) -> None:
        """See whether there is a dataset before the present one is closed for it."""
        self._is_found = False
        run_job(
            lambda: _look_at(path),
            on_progress=self._on_progress,
            on_result=self._on_found,
            on_error=self._on_failed,
            on_end=self._on_looked,
            owner=self,
        )

    def _on_found(self, _: object) -> None:
        self._is_found = not self.is_over

    def _on_looked(self) -> None:
        if self._is_found:
            self._leave()
        else:
            self._show(None, "")

    def _leave(self) -> None:
        self._layers.draft.leave()
        self._layers.saving.when_idle(self._start)

    def _show(self, path: Path | None, message: str) -> None:
        self.path, self.message = path, message
        self.changed.emit()

    def _start(self) -> None:
        path, session = self.path, self._session
        if path is None or session.pending:
            self._show(None, "")
            self._session.failed.emit(
                f"Corrections of {', '.join(sorted(session.pending))} are not saved yet: save "
                "them to another folder before you open another dataset."
            )
            return
        # Its own lock must not stand in the way when a dataset is opened again.
        session.close_dataset()
        make = self._make
        run_job(
            lambda: _make_and_read(make, path),
            on_progress=self._on_progress,
            on_result=_taker(self),
            on_error=self._on_failed,
            on_end=_ender(self, path),
        )

    def end(self, path: Path) -> None:
        """Be ready for another dataset, also after a fault of the program."""
        self._make = _take_as_it_is
        if self.path is path:
            self._show(None, "")

    def _on_progress(self, step: Progress) -> None:
        if step.message:
            part = f" {100 * step.done // step.total} %" if step.total else ""
            self._show(self.path, f"{step.message}{part}")

    def _on_failed(self, error: BadInput) -> None:
        self._show(None, "")
        self._session.failed.emit(str(error))

    def take(self, step: Progress) -> None:
        """Hand what a worker has opened to the session."""
        path = self.path
        self._show(None, "")
        session, opened = self._session, step.values["opened"]
        self.folder_away = step.values["away"]
        session.use_dataset(opened)
        if step.values["lock"] is not None:
            session.use_correction_folder(step.values["folder"], step.values["lock"])
        if path is not None:
            remember_dataset(path)
        self._start_scan()
        if session.order:
            session.select(session.order[0])

    @property
    def is_scanning(self) -> bool:
        """Whether the statuses of samples are being read."""
        return self._scan is not None and self._scan.is_running

    def remember_corrections(self, folder: Path) -> None:
        """Keep in mind where the corrections of this dataset go."""
        if self._session.dataset is not None:
            remember_correction_folder(self._session.dataset.root, folder)

    def _start_scan(self) -> None:
        session = self._session
        if session.dataset is None:
            return
        places = {each.id: (each, session.folder_of(each)) for each in session.dataset.samples}
        is_ours = session.is_writable  # or the strokes may be those of a window at work
        self._scan = run_job(
            lambda: _scan(places, is_ours), on_progress=self._on_scanned, owner=self
        )

    def _on_scanned(self, step: Progress) -> None:
        if step.kind == "unsaved":
            self._session.note_left_unsaved(step.values["unsaved"])
        else:
            self._session.note_states(step.values["states"])

    def _on_dataset_changed(self, dataset: object) -> None:
        self._stop_scan()
        if dataset is None:
            gc.unfreeze()

    def _stop_scan(self) -> None:
        if self._scan is not None:
            self._scan.cancel()
            self._scan = None


def _scan(places: Mapping[str, tuple[Sample, Path]], is_ours: bool) -> Iterator[Progress]:
    yield from read_states(places)
    if is_ours:
        yield from find_unsaved(places)


def _take_as_it_is(path: Path) -> None:
    """Make nothing: the path is there."""


def _look_at(path: Path) -> Iterator[Progress]:
    """Extract an archive, and raise `BadInput` where there are no images."""
    if _is_archive(path):
        for step in extract(path, place_to_extract(path), along=_table_beside(path)):
            yield step
            path = step.values.get("folder", path)
    with _without_collections():
        read_dataset(path, needs_masks=False)
    yield Progress(1, 1, "", "result")


def _make_and_read(make: Callable[[Path], object], path: Path) -> Iterator[Progress]:
    make(path)
    yield from read_with_corrections(path)


def _taker(opening: Opening) -> Callable[[Progress | None], None]:
    """Make a callback that lets go of the lock if the window is gone by then."""
    reference = weakref.ref(opening)

    def take(step: Progress | None) -> None:
        if step is None:
            return
        alive = _living(reference)
        if alive is not None:
            alive.take(step)
            return
        for lock in (step.values["opened"].lock, step.values["lock"]):
            if lock is not None:
                lock.release()

    return take


def _ender(opening: Opening, path: Path) -> Callable[[], None]:
    reference = weakref.ref(opening)

    def end() -> None:
        alive = _living(reference)
        if alive is not None:
            alive.end(path)

    return end


def _living(reference: weakref.ref[Opening]) -> Opening | None:
    """Give what still has a window: the Python half of a dock outlives it."""
    alive = reference()
    return alive if alive is not None and isalive(alive) and not alive.is_over else None


def read_with_corrections(path: Path) -> Iterator[Progress]:
    """Open a dataset, extracting it if it is an archive, and its folder of corrections.

    Yields
    ------
    Progress
        The last has the kind "result" with "opened" (`OpenDataset`), "folder" and "lock"
        (of the folder where its corrections are written instead, or None), and "away" (that
        folder if it is out of reach, or None).
    """
    if _is_archive(path):
        for step in extract(path, place_to_extract(path), along=_table_beside(path)):
            yield step
            path = step.values.get("folder", path)
    with _without_collections():
        opened = open_dataset(path)
    folder = correction_folder_of(opened.dataset.root)
    lock, reason = _lock(folder)
    if reason:
        opened = OpenDataset(opened.dataset, opened.lock, reason)
    away = folder if folder is not None and not os.path.isdir(folder) else None
    values = {"opened": opened, "folder": folder, "lock": lock, "away": away}
    yield Progress(1, 1, "", "result", values)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Make many objects that stay, without Python looking through them for garbage.

    It would hold every thread meanwhile: with 10,000 samples the window for 0.2 s, five times
    while they are made, and as long at each change of the sample, because napari has it look
    whenever a layer is removed. So they are spared, with all that is there, until the dataset
    is closed.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _lock(folder: Path | None) -> tuple[DatasetLock | None, str]:
    if folder is None:
        return None, ""
    if not os.path.isdir(folder):
        # Made anew it would be empty, and what is drawn now would be hidden later.
        return None, (
            f"Its corrections are in {folder}, which is not there now: connect that drive, and "
            "open the dataset again, or go on without them."
        )
    try:
        return lock_folder(folder), ""
    except BadInput as error:
        return None, str(error)


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and os.path.isfile(path)


def _table_beside(archive: Path) -> list[Path]:
    table = archive.parent / TABLE
    return [table] if os.path.isfile(table) else []


def place_to_extract(archive: Path) -> Path:
    """Say where an archive is extracted: beside it, or else into the person's own data."""
    try:  # os.access knows nothing of the rights that Windows grants
        with TemporaryFile(dir=archive.parent):
            return archive.parent
    except OSError:
        pass
    return Path(platformdirs.user_data_dir("napari-nucleiseg", appauthor=False)) / "datasets"
