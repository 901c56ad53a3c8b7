"""What happens when the window closes: nothing that was drawn is lost."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_nucleiseg._qt.memory import correction_folder_of, remember_correction_folder
from napari_nucleiseg._qt.prediction_saver import PredictionSaver
from napari_nucleiseg._qt.saving import GIVE_UP
from napari_nucleiseg._qt.workers import jobs_of
from napari_nucleiseg.atomic import keep_copy
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.sample_saving import save_work
from napari_nucleiseg.state import LABELS

if TYPE_CHECKING:
    from napari_nucleiseg._qt.layers import SampleLayers
    from napari_nucleiseg._qt.saving import Saving

PATIENCE = 2.0
"""Seconds that jobs get to stop, in all."""


def rescue_folder(root: Path) -> Path:
    """Name the folder of the person's own where unsaved work of a dataset is put."""
    name = f"{root.name}-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]}"
    own = Path(platformdirs.user_data_dir("napari-nucleiseg", appauthor=False))
    return own / "corrections" / name


class CloseGuard(QObject):
    """Saves before a window closes; stops jobs and lets go of the dataset once it does.

    Work that cannot be saved is put into `rescue_folder`, from where it comes back when the
    dataset is opened again, unless its corrections have a folder elsewhere already. If that is
    not possible either, the person is asked whether to close at all.
    """

    def __init__(self, window: QWidget, layers: SampleLayers, saving: Saving) -> None:
        super().__init__(window)
        self._window, self._layers, self._saving = window, layers, saving
        self._is_asking = False
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Act on the window's close event, in napari's place; it is ignored if nothing closes."""
        if event is None or watched is not self._window or event.type() != QEvent.Type.Close:
            return False
        if self._is_asking:  # a second one, while a question is open
            event.ignore()
            return True
        self._is_asking = True
        try:
            self._close(event)
        finally:
            self._is_asking = False
        return True

    def _close(self, event: QEvent) -> None:
        """Close all that napari and the person let go of."""
        # Before napari, which has stopped half of itself once it accepts.
        if not self._may_close():
            event.ignore()
            return
        # napari asks for itself here, and only of layers that are still there.
        # All of its `event`, which also takes the window off napari's list.
        self._window.event(event)
        if event.isAccepted():
            self._layers.opening.is_over = True
            self._stop_jobs()
            self._layers.session.close_dataset()

    def _may_close(self) -> bool:
        """Write all that is to be written; False if the person wants to keep the window."""
        self._layers.draft.leave()
        self._saving.finish()
        for saver in self._window.findChildren(PredictionSaver):
            saver.flush()
        self._finish_jobs()
        return self._rescue()

    def _finish_jobs(self) -> None:
        until = time.monotonic() + GIVE_UP
        while time.monotonic() < until:
            jobs = [job for job in jobs_of(self._window) if job.must_finish]
            if not jobs:
                return
            jobs[0].wait(until - time.monotonic())
            jobs[0].deliver()  # which may start the next one

    def _stop_jobs(self) -> None:
        jobs = [job for job in jobs_of(self._window) if not job.must_finish]
        for job in jobs:
            job.cancel()
        until = time.monotonic() + PATIENCE
        for job in jobs:
            job.wait(max(0.0, until - time.monotonic()))

    def _rescue(self) -> bool:
        session = self._layers.session
        if not session.pending or session.dataset is None:
            return True
        folder = rescue_folder(session.dataset.root)
        is_in_use = folder == session.correction_folder
        reasons = [self._saving.failures.get(each, session.read_only) for each in session.pending]
        lost: dict[str, str] = {}
        for sample_id, work in session.pending.items():
            try:
                if not is_in_use:  # what it holds of the sample was not seen
                    keep_copy(folder / sample_id / LABELS)
                save_work(replace(work, folder=folder / sample_id))
            except BadInput as error:
                lost[sample_id] = str(error)
        if len(lost) < len(session.pending):
            how = self._note_rescue(session.dataset.root, folder)
            self._tell(f"{reasons[0]}\n\nYour corrections are safe in\n{folder}\n{how}")
        return self._ask(lost) if lost else True

    def _note_rescue(self, root: Path, folder: Path) -> str:
        """Have a folder found again, if that hides nothing; and say how it comes back."""
        before = correction_folder_of(root)  # it may be out of reach
        if before in (None, folder):
            remember_correction_folder(root, folder)
            return "and come back when you open the dataset again."
        # Remembered instead of that folder, it would hide all that was saved there before.
        return f"Copy what is in it to\n{before}\nonce that can be written."

    def _tell(self, message: str) -> None:
        QMessageBox.information(self._window, "Corrections kept elsewhere", message)

    def _ask(self, lost: dict[str, str]) -> bool:
        answer = QMessageBox.warning(
            self._window,
            "Corrections are not saved",
            f"{next(iter(lost.values()))}\n\nClose all the same, and lose the corrections of "
            f"{', '.join(sorted(lost))}?",
            QMessageBox.StandardButton.Close | QMessageBox.StandardButton.Cancel,
            QMessageBox.StandardButton.Cancel,
        )
        return answer == QMessageBox.StandardButton.Close
