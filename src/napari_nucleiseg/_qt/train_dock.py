"""Train: choose, watch it learn, and decide by its scores whether it is used."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QFrame,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_nucleiseg._qt import canvas
from napari_nucleiseg._qt.curve_plot import CurvePlot
from napari_nucleiseg._qt.gate import Gate
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.listening import listen
from napari_nucleiseg._qt.run_bar import RunBar
from napari_nucleiseg._qt.time_left import in_words
from napari_nucleiseg._qt.train_form import TrainForm
from napari_nucleiseg._qt.workers import JobHandle, run_call, run_job
from napari_nucleiseg.comparison import compare, held_out
from napari_nucleiseg.engine import Engine
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.models import Model, check_model_folder, find_model, list_models
from napari_nucleiseg.presets import estimate_seconds
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.runs import Run, begin_run, free_name, keep_model, read_curves, unfinished_run
from napari_nucleiseg.session import Session, session_for
from napari_nucleiseg.truth import Truths, sort_by_truth

if TYPE_CHECKING:
    import napari.viewer

    from napari_nucleiseg.config import PredictConfig
    from napari_nucleiseg.dataset import Sample

LOSS, AP_50, MEAN_AP = "loss", "AP .5", "mean AP"
_NARROWEST = 310
_SMOOTHING = 0.9
_OF_STEPS = ("start", "step", "validate", "epoch", "tune", "export")


class TrainDock(QScrollArea):
    """Trains a model on the session's dataset in the engine's process.

    Parameters
    ----------
    viewer : Viewer
    session : Session, optional
        By default that of the viewer.
    engine : Engine, optional
        By default one of its own, which ends with the dock.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        session: Session | None = None,
        engine: Engine | None = None,
    ) -> None:
        super().__init__()
        viewer = canvas.unwrapped(viewer)
        self._session = session or session_for(viewer)
        layers_for(viewer, self._session)  # they show the images that a row of the gate opens
        self._engine = engine or Engine()
        self._job: JobHandle | None = None
        self._run: Run | None = None
        self._trained = Path()
        self._new: Model | None = None
        self._old: Model | None = None
        self._smoothed: float | None = None
        self._problems: list[str] = []
        self.form, self.run_bar, self.gate = TrainForm(), RunBar("Train"), Gate()
        self.estimate, self.resume = QLabel(), QPushButton()
        self.back = QPushButton()
        self.loss, self.scores = CurvePlot([LOSS]), CurvePlot([AP_50, MEAN_AP], 0.0, 1.0)
        self.pages = QStackedWidget()
        self._lay_out()
        self._connect()
        self.form.show_model(self._session.model or next(iter(list_models()), None))
        self._show_dataset()

    # --- what it looks like

    def _lay_out(self) -> None:
        rows = QVBoxLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(6)
        for each in (self.form, self.estimate, self.run_bar, self.resume, self.back):
            rows.addWidget(each)
        rows.addWidget(self.loss)
        rows.addWidget(self.scores)
        rows.addStretch(1)
        first = QWidget()
        first.setLayout(rows)
        self.pages.addWidget(first)
        self.pages.addWidget(self.gate)
        self.pages.setContentsMargins(8, 6, 8, 6)
        self.run_bar.cancel_button.setText("Stop")
        self.run_bar.cancel_button.setToolTip(
            "Stop now. What was learned up to the last validation is kept, and can be gone on with."
        )
        self.estimate.setWordWrap(True)
        for each in (self.back, self.loss, self.scores):
            each.hide()
        for each in (self.back, self.resume):
            # A long name is cut off rather than widening the dock.
            each.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setWidget(self.pages)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(max(_NARROWEST, self.pages.minimumSizeHint().width()))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Start the engine, so that it is ready by the time that Train is pressed."""
        super().showEvent(event)
        self._engine.start()

    # --- wires

    def _connect(self) -> None:
        session, engine = self._session, self._engine
        self.form.changed.connect(self._on_form_changed)
        self.run_bar.started.connect(self._on_started)
        self.run_bar.cancelled.connect(self._on_cancelled)
        self.resume.clicked.connect(self._on_resume)
        self.back.clicked.connect(self._on_back)
        self.gate.accepted.connect(self._on_accepted)
        self.gate.refused.connect(self._on_refused)
        self.gate.chosen.connect(self._on_image_chosen)
        listen(
            self,
            (session.dataset_changed, self._on_dataset_changed),
            (session.states_read, self._on_states_changed),
            (session.state_changed, self._on_states_changed),
            (session.model_changed, self._on_model_changed),
        )
        # No bound method: PyQt5 would never call it.
        # A method of the engine: a function of ours might be garbage by then, and crash.
        self.destroyed.connect(engine.close)

    # --- before the start

    def _on_dataset_changed(self, *_: object) -> None:
        self._on_cancelled()
        self._show_dataset()

    def _show_dataset(self) -> None:
        dataset = self._session.dataset
        self.form.name.setText(free_name(_plain(dataset.root.name if dataset else "")))
        self._on_states_changed()
        self._show_resume()

    def _on_states_changed(self, *_: object) -> None:
        if not self.run_bar.is_running:
            self.form.show_truths(self._truths())
            self._on_form_changed()

    def _truths(self) -> Truths:
        dataset = self._session.dataset
        return sort_by_truth(dataset.samples if dataset else (), self._session.states)

    def _on_model_changed(self, model: Model | None) -> None:
        if model is not None and not self.run_bar.is_running:
            self.form.show_model(model)

    def _on_form_changed(self) -> None:
        self.run_bar.set_reason(self._why_not())
        count = len(self.form.samples)
        seconds = estimate_seconds(self.form.config, os.cpu_count() or 1)
        images = "1 image" if count == 1 else f"{count} images"
        self.estimate.setText(f"About {in_words(seconds)} on this processor, on {images}.")

    def _why_not(self) -> str:
        if self._session.dataset is None:
            return "Open a dataset first."
        if self._session.correction_folder is not None and self._truths().by_hand:
            return (
                "The corrections are in another folder than the images: copy the dataset to a "
                "place that can be written to, and correct it there."
            )
        if len(self.form.samples) < 2:
            return "Correct or approve two images at least: one to learn from, one held out."
        return ""

    def _show_resume(self) -> None:
        dataset = self._session.dataset
        found = unfinished_run(dataset.root) if dataset else None
        self.resume.setVisible(found is not None and not self.run_bar.is_running)
        if found is not None:
            self.resume.setText(f"Resume {found.name}")
            self.resume.setToolTip(f"Go on with {found.name}, which was stopped or interrupted.")

    # --- training

    def _on_started(self) -> None:
        assert self._session.dataset is not None
        start = self.form.start
        request = {
            "dataset": str(self._session.dataset.root),
            "name": free_name(_plain(self.form.name.text())),
            "start": str(start.folder) if start else "",
            "config": dataclasses.asdict(self.form.config),
            "only": [each.id for each in self.form.samples],
        }
        try:
            self._train(begin_run(request))
        except BadInput as error:
            self.run_bar.fail(str(error))

    def _on_resume(self) -> None:
        dataset = self._session.dataset
        found = unfinished_run(dataset.root) if dataset else None
        if found is not None:
            self._train(found)

    def _train(self, run: Run) -> None:
        self._run, self._new, self._smoothed = run, None, None
        self._problems.clear()
        self._show_curves(run)
        self.run_bar.begin(f"Training {run.name}")
        self.form.set_enabled(False)
        self.resume.hide()
        self.back.hide()
        self._start(
            partial(self._engine.run, "train", run.request), self._on_step, self._on_trained
        )

    def _start(self, make: Any, on_progress: Any, on_result: Any) -> None:
        self._job = run_job(
            make,
            on_progress=on_progress,
            on_result=on_result,
            on_error=self._on_error,
            on_end=lambda: self._on_end(handle),
            owner=self,
        )
        handle = self._job

    def _show_curves(self, run: Run) -> None:
        steps = run.request["config"]["steps"]
        self.loss.show()
        self.scores.show()
        self.loss.clear(steps)
        self.scores.clear(steps)
        for step, loss, mean_ap, ap_50 in read_curves(run.folder):
            self.loss.add(LOSS, step, loss)
            self.scores.add(AP_50, step, ap_50)
            self.scores.add(MEAN_AP, step, mean_ap)

    def _on_step(self, step: Progress) -> None:
        if step.kind == "step":
            self._add_loss(step.done, step.values["loss"])
        elif step.kind == "epoch":
            self.scores.add(AP_50, step.done, step.values["ap"]["all"][0])
            self.scores.add(MEAN_AP, step.done, step.values["mean_ap"])
        elif step.kind == "problem":
            self._problems.append(step.message)
        elif step.kind == "result":
            self._trained = Path(step.values["model"])
        if step.kind in _OF_STEPS:
            message = step.message or "Learning"
            self.run_bar.show_progress(dataclasses.replace(step, message=message))
        elif step.message and step.kind != "problem" and not step.done:
            self.run_bar.say(step.message)

    def _add_loss(self, step: int, loss: float) -> None:
        before = loss if self._smoothed is None else self._smoothed
        self._smoothed = _SMOOTHING * before + (1 - _SMOOTHING) * loss
        self.loss.add(LOSS, step, self._smoothed)

    def _on_cancelled(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self.run_bar.say("Stopping")

    def _on_error(self, error: BadInput) -> None:
        self.run_bar.fail(str(error))

    def _on_end(self, handle: JobHandle) -> None:
        if handle is not self._job:
            return  # the comparison has begun
        self._job = None
        if self.run_bar.is_running:
            self.run_bar.end("Stopped; what was learned up to the last validation is kept.")
        self.form.set_enabled(True)
        self._on_states_changed()
        self._show_resume()

    # --- the gate

    def _on_trained(self, _: Progress | None) -> None:
        self._old = self._session.model or self.form.start
        self.run_bar.begin("Comparing the new model with the old one")
        samples = self._truths().all
        job = partial(_judge, self._trained, self._old, samples, self._session.predict_config)
        self._start(job, self._on_compared, lambda _: self._end_comparison())

    def _on_compared(self, step: Progress) -> None:
        if step.kind == "model":
            self._new = step.values["model"]
        elif step.kind == "result" and self._new is not None:
            self.gate.show_comparison(step.values["comparison"], self._new, self._old)
        elif step.kind == "problem" and self._new is not None:
            self.gate.show_failure(step.message, self._new, self._old)
        else:
            self.run_bar.show_progress(step)

    def _end_comparison(self) -> None:
        self.run_bar.end("Trained. Decide whether the new model is used.")
        self.pages.setCurrentWidget(self.gate)
        self.ensureVisible(0, 0)

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
        old = self._old
        self._session.set_model(model)
        self._leave_gate(f"{model.name} is in use now.")
        self.back.setVisible(old is not None)
        if old is not None:
            self.back.setText("Go back to the old model")
            self.back.setToolTip(old.name)

    def _on_back(self) -> None:
        self.back.hide()
        try:
            if self._old is not None:
                self._session.set_model(find_model(self._old.folder))
                self.run_bar.say(f"{self._old.name} is in use again.")
        except BadInput as error:
            self.run_bar.complain(str(error))

    def _on_refused(self) -> None:
        kept = f"{self._old.name} stays in use." if self._old else "The new model is not used."
        self._leave_gate(kept)

    def _leave_gate(self, message: str) -> None:
        self.pages.setCurrentIndex(0)
        self.run_bar.say(message)
        self._show_dataset()

    def _on_image_chosen(self, sample_id: str) -> None:
        if sample_id in self._session:
            self._session.select(sample_id)


def _judge(
    folder: Path, old: Model | None, samples: Sequence[Sample], config: PredictConfig
) -> Iterator[Progress]:
    """Check the new model, then compare it; what keeps it from being compared is a "problem"."""
    new = check_model_folder(folder)
    yield Progress(0, 0, "Comparing", "model", {"model": new})
    try:
        yield from compare(held_out(samples, new, old), new, old, config)
    except BadInput as error:
        yield Progress(0, 0, str(error), "problem")


def _plain(name: str) -> str:
    """Make a folder's name of what a person typed."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name.strip())
    return kept.strip("-") or "model"
