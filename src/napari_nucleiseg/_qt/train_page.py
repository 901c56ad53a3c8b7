"""What the Train dock shows before and while a model is trained."""

from __future__ import annotations

import dataclasses
from typing import Any

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_nucleiseg._qt.device_badge import DeviceBadge
from napari_nucleiseg._qt.learning import Learning
from napari_nucleiseg._qt.run_bar import RunBar
from napari_nucleiseg._qt.train_form import TrainForm
from napari_nucleiseg._qt.unfinished_row import UnfinishedRow
from napari_nucleiseg._qt.wrapped_label import WrappedLabel
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.runs import Run

_MOST_NOTES = 4
_OF_STEPS = ("start", "step", "validate", "epoch", "tune", "export")


class TrainPage(QWidget):
    """The form, or the curves in its place; and the button that starts and stops.

    Parameters
    ----------
    back : QWidget
        Takes the old model again; stands above the curves.
    """

    def __init__(self, back: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.form, self.run_bar = TrainForm(), RunBar("Train")
        self.badge, self.estimate, self.notes = DeviceBadge(), QLabel(), WrappedLabel()
        self.unfinished, self.learning = UnfinishedRow(), Learning()
        self._notes: list[str] = []
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(6)
        first = (self.badge, self.form, self.estimate, self.run_bar, self.notes)
        for each in (*first, self.unfinished, back, self.learning):
            rows.addWidget(each)
        rows.addStretch(1)
        self.run_bar.cancel_button.setText("Stop")
        self.run_bar.cancel_button.setToolTip(
            "Stop now. The best weights so far become a model, and can be trained on later."
        )
        self.estimate.setWordWrap(True)
        self.notes.hide()
        self.learning.hide()

    def show_device(self, about: Any) -> None:
        """Name the device that the engine trains on; nothing for an engine that did not start."""
        if about:
            self.badge.show_device(about["name"], about["reason"])

    def begin(self, run: Run, message: str) -> None:
        """Show a run that begins or goes on: its curves so far, and no notes."""
        self._notes.clear()
        self.notes.hide()
        self.learning.show_run(run)
        self.learning.show()
        self.run_bar.begin(message)
        self.show_running(True)

    def show_running(self, value: bool) -> None:
        """Put the curves where the form was: what it says cannot be changed meanwhile."""
        self.form.set_enabled(not value)
        for each in (self.form, self.estimate):
            each.setHidden(value)
        if value:
            self.unfinished.hide()

    def show_step(self, step: Progress) -> None:
        """Show a step of the training: curves, notes, and how far it is."""
        self.learning.show_step(step)
        if step.kind in ("note", "problem"):
            self._notes.append(step.message)
            self.notes.setText("<br>".join(self._notes[:_MOST_NOTES]))
            self.notes.show()
        elif step.kind in _OF_STEPS:
            message = step.message or "Learning"
            self.run_bar.show_progress(dataclasses.replace(step, message=message))
        elif step.kind != "result" and step.message and not step.done:
            self.run_bar.say(step.message)
