"""The trial of a model that was trained: compared with the old one, then used or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QPushButton, QSizePolicy

from napari_nucleiseg._qt.gate import Gate
from napari_nucleiseg._qt.workers import run_call
from napari_nucleiseg.comparison import judge
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.models import Model, find_model
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.runs import keep_model, note_decision
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.session import Session


class Trial(QObject):
    """Lets nobody use a new model unseen, and keeps the old one at hand.

    Parameters
    ----------
    session : Session
        Its model is the old one, and is replaced when the person says so.
    parent : QObject
        What ends with it ends the comparison.

    Attributes
    ----------
    gate : Gate
        Shows the scores and asks for the verdict.
    back : QPushButton
        Takes the old model again; hidden until there is one to go back to.
    decided : Signal(str)
        The person has decided; what came of it.
    went_back : Signal(str)
        The old model is in use again; in words.
    failed : Signal(str)
        Why it is not.
    """

    decided = Signal(str)
    went_back = Signal(str)
    failed = Signal(str)

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._new: Model | None = None
        self._old: Model | None = None
        self.gate, self.back = Gate(), QPushButton("Go back to the old model")
        # A long name is cut off rather than widening the dock.
        self.back.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.back.hide()
        self.gate.accepted.connect(self._on_accepted)
        self.gate.refused.connect(self._on_refused)
        self.gate.chosen.connect(self._on_image_chosen)
        self.back.clicked.connect(self._on_back)

    # --- comparing

    @property
    def has_model(self) -> bool:
        """Whether the new model could be read, so that there is something to decide."""
        return self._new is not None

    def forget(self) -> None:
        """Forget the new model: another training begins."""
        self._new = None
        self.back.hide()

    def comparison(
        self, trained: Path, start: Model | None, samples: tuple[Sample, ...]
    ) -> Callable[[], Iterator[Progress]]:
        """Give the job that compares a new model with the old one; `take` its steps.

        Parameters
        ----------
        trained : Path
            Folder of the new model.
        start : Model, optional
            What it was trained from: the old one where the session has none.
        samples : tuple of Sample
            With a truth.
        """
        self._old = self._session.model or start
        return partial(judge, trained, self._old, samples, self._session.predict_config)

    def take(self, step: Progress) -> bool:
        """Take a step of the comparison; False if it says only how far it is."""
        if step.kind == "model":
            self._new = step.values["model"]
        elif step.kind == "result" and self._new is not None:
            self.gate.show_comparison(step.values["comparison"], self._new, self._old)
        elif step.kind == "problem":
            self.show_failure(step.message)
        else:
            return False
        return True

    def show_failure(self, message: str) -> None:
        """Show why there are no scores to decide by."""
        if self._new is not None:
            self.gate.show_failure(message, self._new, self._old)

    def _on_image_chosen(self, sample_id: str) -> None:
        if sample_id in self._session:
            self._session.select(sample_id)

    # --- deciding

    def _on_accepted(self) -> None:
        if self._new is None:
            return
        self._set_gate_enabled(False)
        run_call(
            keep_model,
            self._new.folder,
            self._new.name,
            on_result=self._on_kept,
            on_error=lambda error: self.gate.verdict.setText(str(error)),
            on_end=lambda: self._set_gate_enabled(True),
            owner=self,
            must_finish=True,
        )

    def _set_gate_enabled(self, value: bool) -> None:
        self.gate.use.setEnabled(value)
        self.gate.keep.setEnabled(value)

    def _on_kept(self, model: Model) -> None:
        self._session.set_model(model)
        self.decided.emit(f"{model.name} is in use now.")
        self.back.setVisible(self._old is not None)
        self.back.setToolTip(self._old.name if self._old else "")

    def _on_refused(self) -> None:
        if self._new is not None:
            note_decision(self._new.folder)
        kept = f"{self._old.name} stays in use." if self._old else "The new model is not used."
        self.decided.emit(kept)

    def _on_back(self) -> None:
        self.back.hide()
        try:
            if self._old is not None:
                self._session.set_model(find_model(self._old.folder))
                self.went_back.emit(f"{self._old.name} is in use again.")
        except BadInput as error:
            self.failed.emit(str(error))
