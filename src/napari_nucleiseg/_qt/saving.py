"""Saving by key, on moving on and on a timer, one file operation after the other.

The thread of the window only copies the labels. A save that fails leaves its copy in
`session.pending`, from where it is shown again and saved again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from napari_nucleiseg._qt.workers import JobHandle, run_call
from napari_nucleiseg.numbering import count_nuclei
from napari_nucleiseg.recovery import clear_recovery
from napari_nucleiseg.sample_files import lock_folder
from napari_nucleiseg.sample_saving import Work, save_recovery, save_work
from napari_nucleiseg.state import SampleState, Status

if TYPE_CHECKING:
    from napari_nucleiseg._qt.draft_layer import DraftLayer
    from napari_nucleiseg.errors import BadInput

PAUSE, LONGEST = 2.0, 4.0
"""Seconds without a stroke, and seconds since the first, until strokes go to the recovery
file. The rest of the 5 s that a crash may cost is for the writing."""
GIVE_UP = 60.0
"""Seconds that a window which closes waits for the disk."""


@dataclass(frozen=True, eq=False)
class _Task:
    """One file operation that waits for its turn."""

    kind: str
    sample_id: str
    run: Callable[[], Any]
    on_result: Callable[[Any], None]
    on_error: Callable[[BadInput], None]


class Saving(QObject):
    """Saves the labels of a viewer's `DraftLayer`.

    Attributes
    ----------
    failures : dict of str to str
        By sample id, why its labels could not be saved; they are unsaved still.
    last_saved : str
        Id of the sample that was saved last; "" if none was.
    """

    changed = Signal()
    """Something began, ended or failed: look at the attributes."""
    labels_missed = Signal()
    """Labels are to be saved or approved whose layer the person has deleted."""

    def __init__(self, draft: DraftLayer) -> None:
        super().__init__()
        self._draft = draft
        self._session = draft.session
        self.failures: dict[str, str] = {}
        self.last_saved = ""
        self._tasks: deque[_Task] = deque()
        self._job: JobHandle | None = None
        self._running: _Task | None = None
        self._waiting: list[Callable[[], None]] = []
        self._first_edit = 0.0
        self._has_asked = False  # whether an image without nuclei is meant to be approved
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._write_recovery)
        self._session.dataset_changed.connect(self._on_dataset_changed)
        self._session.sample_changed.connect(self._on_sample_changed)
        draft.edited.connect(self._on_edited)
        draft.handed_over.connect(self._on_handed_over)

    # --- what a person asks for

    @property
    def is_busy(self) -> bool:
        """Whether something is being written."""
        return self._job is not None or bool(self._tasks)

    @property
    def is_saving(self) -> bool:
        """Whether labels, rather than a recovery file, are being written."""
        return any(task.kind == "save" for task in (self._running, *self._tasks) if task)

    def save(self, status: Status = Status.CORRECTED) -> bool:
        """Save the labels that are shown, and try those again that could not be saved.

        Returns
        -------
        bool
            False where there are no labels on show that could be saved.
        """
        is_on_show = self._is_on_show
        if is_on_show and (self._draft.check_unsaved() or self._is_news(status)):
            work = self._draft.work(status)
            if work is not None:
                self._save(work)
        elif self._is_deleted:
            self.labels_missed.emit()
        self.retry()
        return is_on_show and not self._draft.is_foreign

    @property
    def _is_on_show(self) -> bool:
        """Whether labels and image are those of the sample that was chosen last."""
        return self._draft.layer is not None and self._is_opened

    @property
    def _is_deleted(self) -> bool:
        """Whether that sample was on show, until its Labels layer was deleted."""
        return self._draft.layer is None and self._is_opened

    @property
    def _is_opened(self) -> bool:
        chosen, opened = self._session.sample, self._draft.opened
        return opened is not None and (chosen is None or opened.sample.id == chosen.id)

    def _is_news(self, status: Status) -> bool:
        opened = self._draft.opened
        if opened is None:
            return False
        if status is Status.APPROVED:
            return self._session.state_of(opened.sample).status is not Status.APPROVED
        return self._draft.shows_prediction

    def approve(self) -> None:
        """Save the labels as approved, and go on to the next sample.

        Labels without a nucleus are approved when that is asked for twice in a row: they are
        learned from, too.
        """
        if self._must_ask():
            self._has_asked = True
            show_info("No nuclei here: press A again to approve it as empty.")
            return
        self._has_asked = False
        chosen = self._session.sample
        if self._is_deleted:
            self.labels_missed.emit()
        elif self.save(Status.APPROVED) or chosen is None:
            self._session.next_sample()
        elif not self._is_on_show:
            self._session.failed.emit(f"{chosen.id} is not on show, so it was not approved.")

    def _must_ask(self) -> bool:
        """Whether approving would make an empty image a truth, and nobody was asked yet."""
        layer = self._draft.layer
        if self._has_asked or layer is None or not self._is_on_show or layer.data.any():
            return False
        return self._draft.check_unsaved() or self._is_news(Status.APPROVED)

    def retry(self) -> None:
        """Save again what could not be saved."""
        waiting = {task.sample_id for task in self._tasks if task.kind == "save"}
        for sample_id, work in list(self._session.pending.items()):
            if sample_id in self.failures and sample_id not in waiting:
                self._save(replace(work, folder=self._session.folder_of(work.sample)))

    def save_to(self, folder: Path, on_used: Callable[[], None] | None = None) -> None:
        """Write corrections to another folder from now on, and save what is unsaved there.

        Parameters
        ----------
        folder : Path
            Of labels that it holds of the samples that are saved there now, a copy is kept.
        on_used : callable, optional
            Called once the folder is made and locked, and all is on its way there.
        """

        def use(lock: Any) -> None:
            self._session.use_correction_folder(folder, lock)
            self.save()
            if on_used is not None:
                on_used()

        coming = set(self._session.pending)
        opened = self._draft.opened
        if opened is not None and self._draft.check_unsaved():
            coming.add(opened.sample.id)
        self._add(_Task("lock", "", lambda: lock_folder(folder, coming), use, self._on_trouble))

    def drop_recovery(self) -> None:
        """Go back to the saved labels, and delete the recovery file."""
        opened = self._draft.opened
        if opened is None:
            return
        self._draft.show_saved()
        folder = self._session.folder_of(opened.sample)
        self._add(
            _Task(
                "drop",
                opened.sample.id,
                lambda: clear_recovery(folder),
                lambda _: None,
                self._on_trouble,
            )
        )

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call back once nothing is left to be written."""
        if self.is_busy:
            self._waiting.append(callback)
        else:
            callback()

    def finish(self) -> None:
        """Block until all that was asked for is written, or has failed."""
        self._timer.stop()
        until = time.monotonic() + GIVE_UP
        while self._job is not None and time.monotonic() < until:
            self._job.wait(GIVE_UP)
            self._job.deliver()

    # --- what happens by itself

    def _on_dataset_changed(self, _: object) -> None:
        self.last_saved = ""
        self.changed.emit()

    def _on_sample_changed(self, _: object) -> None:
        self._has_asked = False

    def _on_handed_over(self, work: Work) -> None:
        self._timer.stop()
        self._first_edit = 0.0
        self._save(work)

    def _on_edited(self) -> None:
        self._has_asked = False
        now = time.monotonic()
        if not self._timer.isActive():
            self._first_edit = now
        pause = min(PAUSE, max(0.0, self._first_edit + LONGEST - now))
        self._timer.start(round(1000 * pause))

    def _write_recovery(self) -> None:
        if self.is_saving:
            # What is being saved needs no recovery file, unless that fails.
            self._timer.start(round(1000 * PAUSE))
            return
        work = self._draft.work()
        if work is None or not self._draft.unsaved or not self._session.is_writable:
            return
        for task in [each for each in self._tasks if each.kind == "recovery"]:
            self._tasks.remove(task)
        self._add(
            _Task(
                "recovery",
                work.sample.id,
                lambda: save_recovery(work),
                lambda _: None,
                self._on_trouble,
            )
        )

    def _on_trouble(self, error: BadInput) -> None:
        self._session.failed.emit(str(error))

    # --- one after the other

    def _save(self, work: Work) -> None:
        sample_id = work.sample.id
        self._session.note_pending(sample_id, work)
        if not self._session.is_writable:
            self._on_failed(work, self._session.read_only)
            return
        self.failures.pop(sample_id, None)
        self._add(
            _Task(
                "save",
                sample_id,
                # Counted here, for that takes longer than the window may be held.
                lambda: (save_work(work), count_nuclei(work.labels)),
                lambda saved: self._on_saved(work, *saved),
                lambda error: self._on_failed(work, str(error)),
            )
        )

    def _on_saved(self, work: Work, state: SampleState, count: int) -> None:
        session, sample_id = self._session, work.sample.id
        pending = session.pending.get(sample_id)
        if pending is not None and pending.labels is work.labels:
            session.note_pending(sample_id, None)
        self.last_saved = sample_id
        session.note_state(sample_id, state, count)
        self._draft.note_saved(work, state)

    def _on_failed(self, work: Work, reason: str) -> None:
        self.failures[work.sample.id] = reason
        self.changed.emit()

    def _add(self, task: _Task) -> None:
        self._tasks.append(task)
        if self._job is None:
            self._start_next()

    def _start_next(self) -> None:
        if not self._tasks:
            waiting, self._waiting = self._waiting, []
            for callback in waiting:
                callback()
            self.changed.emit()
            return
        task = self._running = self._tasks.popleft()
        self._job = run_call(
            task.run,
            on_result=task.on_result,
            on_error=task.on_error,
            on_end=self._on_task_end,
            owner=self,
            must_finish=True,
        )
        self.changed.emit()

    def _on_task_end(self) -> None:
        self._job = self._running = None
        self._start_next()
