"""Train: choose, watch it learn, and put the new model on trial."""

from __future__ import annotations

import dataclasses
import operator
import os
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QShowEvent

from napari_nucleiseg._qt import canvas
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.listening import ask_calmly, calm_timer, listen
from napari_nucleiseg._qt.pages import Pages
from napari_nucleiseg._qt.scroll_dock import ScrollDock
from napari_nucleiseg._qt.train_page import TrainPage
from napari_nucleiseg._qt.trial import Trial
from napari_nucleiseg._qt.workers import JobHandle, run_call, run_job
from napari_nucleiseg.engine import Engine
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.learned import known_to
from napari_nucleiseg.models import Model, list_models
from napari_nucleiseg.presets import estimate_seconds
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.run_folder import MODEL
from napari_nucleiseg.runs import (
    Run,
    begin_run,
    free_name,
    note_decision,
    plain_name,
    unfinished_run,
)
from napari_nucleiseg.session import Session, session_for
from napari_nucleiseg.time_left import in_words
from napari_nucleiseg.train_job import IMAGENET
from napari_nucleiseg.training_packages import require_packages
from napari_nucleiseg.truth import Truths, sort_by_truth

if TYPE_CHECKING:
    import napari.viewer

    from napari_nucleiseg.dataset import Dataset
    from napari_nucleiseg.sample import Sample

_NARROWEST = 310
_START_SECONDS = 120  # to import TensorFlow on a slow disk


class _Phase(Enum):
    """What runs, or ran last."""

    LEARNING = auto()
    STOPPING = auto()
    """It was stopped; a model is made of its best weights next."""
    ABANDONED = auto()
    """It stays as it is, and can be resumed: stopped twice, or another dataset was opened."""
    FINISHING = auto()
    """The best weights become a model: thresholds, export."""
    JUDGING = auto()
    """The new model is compared with the old one."""


class TrainDock(ScrollDock):
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
        # They also show the images that a row of the gate opens.
        self._layers = layers_for(viewer, self._session)
        self._engine = engine or Engine()
        self._job: JobHandle | None = None
        self._run: Run | None = None
        self._trained = Path()
        self._known_of: tuple[Dataset | None, Model | None, Model | None] = None, None, None
        self._phase = _Phase.LEARNING
        self.trial = Trial(self._session, parent=self)
        self.page, self.pages = TrainPage(self.trial.back), Pages()
        self.pages.addWidget(self.page)
        self.pages.addWidget(self.trial.gate)
        self.pages.setContentsMargins(8, 6, 8, 6)
        self.show_column(self.pages, _NARROWEST)
        self._later = calm_timer(self, self._on_states_changed)
        self._connect()
        self.page.form.show_model(self._session.model or next(iter(list_models()), None))
        self._show_dataset()

    def _show_page(self, index: int) -> None:
        self.pages.setCurrentIndex(index)
        self.pages.updateGeometry()
        self.ensureVisible(0, 0)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Start the engine, so that it is ready by the time that Train is pressed."""
        super().showEvent(event)
        engine = self._engine
        engine.start()
        run_call(
            lambda: engine.wait_until_ready(_START_SECONDS) and engine.about,
            on_result=self.page.show_device,
            owner=self,
        )

    # --- wires

    def _connect(self) -> None:
        session, engine = self._session, self._engine
        self.page.form.changed.connect(self._on_form_changed)
        self.page.run_bar.started.connect(self._on_started)
        self.page.run_bar.cancelled.connect(self._on_stopped)
        self.page.unfinished.resumed.connect(self._on_resume)
        self.page.unfinished.finished.connect(self._on_finish)
        self.trial.decided.connect(self._on_decided)
        self.trial.went_back.connect(self.page.run_bar.say)
        self.trial.failed.connect(self.page.run_bar.complain)
        listen(
            self,
            (session.dataset_changed, self._on_dataset_changed),
            (session.states_read, self._on_state_news),
            (session.state_changed, self._on_state_news),
            (session.model_changed, self._on_model_changed),
        )
        # PyQt5 never calls a method of this dock, and a function might be garbage by then.
        self.destroyed.connect(engine.close)

    # --- before the start

    def _on_dataset_changed(self, *_: object) -> None:
        self._phase = _Phase.ABANDONED
        self._cancel()
        self._show_dataset()

    def _show_dataset(self) -> None:
        dataset = self._session.dataset
        self.page.form.name.setText(free_name(plain_name(dataset.root.name if dataset else "")))
        self._on_states_changed()
        self._show_unfinished()

    def _on_state_news(self, *_: object) -> None:
        ask_calmly(self._later)  # it comes in crowds, and each looks at all samples

    def _on_states_changed(self) -> None:
        if not self.page.run_bar.is_running:
            self.page.form.show_truths(self._truths())
            self._on_form_changed()

    def _truths(self) -> Truths:
        dataset = self._session.dataset
        return sort_by_truth(dataset.samples if dataset else (), self._session.states)

    def _on_model_changed(self, model: Model | None) -> None:
        if model is not None and not self.page.run_bar.is_running:
            self.page.form.show_model(model)

    def _on_form_changed(self) -> None:
        reason = self._why_not()
        self.page.run_bar.set_reason(reason)
        self._look_for_known()
        self.page.estimate.setText("" if reason else self._estimate())

    def _look_for_known(self) -> None:
        """Find what the start and the model in use have learned from, once for each of them."""
        asked = self._session.dataset, self.page.form.start, self._session.model
        if all(map(operator.is_, asked, self._known_of)):
            return
        self._known_of = asked
        self.page.form.show_known(())
        dataset, start, old = asked
        if dataset is not None and (start or old):
            run_call(  # it looks at files
                lambda: [known_to(each, dataset.root.name, dataset.samples) for each in asked[1:]],
                on_result=lambda found: self._on_known_found(asked, *found),
                owner=self,
            )

    def _on_known_found(
        self, asked: tuple[Any, ...], known: list[Sample], known_to_old: list[Sample]
    ) -> None:
        if asked is self._known_of:
            self.page.form.show_known(known, asked[2], known_to_old)

    def _estimate(self) -> str:
        config, count = self.page.form.config, len(self.page.form.samples)
        images = "1 image" if count == 1 else f"{count} images"
        seconds = in_words(estimate_seconds(config, os.cpu_count() or 1))
        text = f"About {seconds} on this processor, on {images}."
        if self.page.form.has_shrunk:
            text += (
                f" For the memory that is free, {config.batch} crops of {config.crop} px a step."
            )
        return text

    def _why_not(self) -> str:
        if self._session.dataset is None:
            return "Open a dataset first."
        if self._session.correction_folder is not None and self._truths().by_hand:
            where = "The corrections are in another folder than the images: "
            if not self._session.read_only:
                return f"{where}bring them back in the Dataset dock."
            return (
                f"{where}copy the dataset to a place that can be written to, and correct it there."
            )
        return self.page.form.why_too_few

    def _show_unfinished(self) -> None:
        self.page.unfinished.show_run(
            None if self.page.run_bar.is_running else self._unfinished_run()
        )

    def _unfinished_run(self) -> Run | None:
        dataset = self._session.dataset
        return unfinished_run(dataset.root) if dataset else None

    # --- training

    def _on_started(self) -> None:
        assert self._session.dataset is not None
        start = self.page.form.start
        request = {
            "dataset": str(self._session.dataset.root),
            "name": free_name(plain_name(self.page.form.name.text())),
            "start": str(start.folder) if start else IMAGENET * self.page.form.starts_from_imagenet,
            "config": dataclasses.asdict(self.page.form.config),
            "only": [each.id for each in self.page.form.samples],
            "mix_old": self.page.form.mix_old.isChecked(),
        }
        try:
            require_packages()  # else a run would be begun that cannot go on
            self._train(begin_run(request))
        except BadInput as error:
            self.page.run_bar.fail(str(error))

    def _on_resume(self) -> None:
        found = self._unfinished_run()
        if found is not None and found.is_trained:
            self._decide(found)
        elif found is not None:
            self._train(found)

    def _on_finish(self) -> None:
        found = self._unfinished_run()
        if found is not None and found.is_trained:
            note_decision(found.folder / MODEL)
            self._show_unfinished()
        elif found is not None:
            self._train(found, finish_now=True)

    def _decide(self, run: Run) -> None:
        """Compare the model of a run that came to its end, when nobody was there to decide."""
        if self._layers.opening.is_scanning:
            self.page.run_bar.complain(
                "The images are still being looked through: press it again soon."
            )
            return
        self._run, self._trained = run, run.folder / MODEL
        self.trial.forget()
        self.page.show_running(True)
        self._on_trained(None)

    def _train(self, run: Run, *, finish_now: bool = False) -> None:
        self._run = run
        self.trial.forget()
        self._phase = _Phase.FINISHING if finish_now else _Phase.LEARNING
        self.page.begin(run, f"Finishing {run.name}" if finish_now else f"Training {run.name}")
        request = {**run.request, "finish_now": finish_now}
        self._start(partial(self._engine.run, "train", request), self._on_step, self._on_trained)

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

    def _on_step(self, step: Progress) -> None:
        self.page.show_step(step)
        if step.kind == "result":
            self._trained = Path(step.values["model"])

    def _on_stopped(self) -> None:
        """End the training with its best weights; the second press ends it without."""
        after = {_Phase.LEARNING: _Phase.STOPPING, _Phase.STOPPING: _Phase.ABANDONED}
        self._phase = after.get(self._phase, self._phase)
        self._cancel()

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self.page.run_bar.say("Stopping")

    def _on_error(self, error: BadInput) -> None:
        self.page.run_bar.fail(str(error))

    def _on_end(self, handle: JobHandle) -> None:
        if handle is not self._job:
            return  # the comparison has begun
        self._job = None
        if self._phase is _Phase.STOPPING and self._run is not None and self._run.has_best:
            self._train(self._run, finish_now=True)
            return
        if self.page.run_bar.is_running and self._phase is _Phase.JUDGING and self.trial.has_model:
            self.trial.show_failure("The comparison was stopped.")
            self._end_comparison()
        elif self.page.run_bar.is_running:
            self.page.run_bar.end(self._stopped_in_words())
        self.page.show_running(False)
        self._on_states_changed()
        self._show_unfinished()

    def _stopped_in_words(self) -> str:
        if self._run is not None and self._run.is_trained:
            return f"Trained. The comparison was stopped; {self._run.name} can still be decided on."
        if self._run is not None and self._run.has_best:
            return "Stopped; what was learned up to the last validation is kept."
        return "Stopped before the first validation: nothing was learned yet."

    # --- the trial of the new model

    def _on_trained(self, _: Progress | None) -> None:
        self._phase = _Phase.JUDGING
        self.page.run_bar.begin("Comparing the new model with the old one")
        # Where they are corrected, also for a dataset that is read-only.
        samples = tuple(self._session.placed(each) for each in self._truths().all)
        job = self.trial.comparison(self._trained, self.page.form.start, samples)
        self._start(job, self._on_compared, lambda _: self._end_comparison())

    def _on_compared(self, step: Progress) -> None:
        if not self.trial.take(step):
            self.page.run_bar.show_progress(step)

    def _end_comparison(self) -> None:
        self.page.run_bar.end("Trained. Decide whether the new model is used.")
        self._show_page(1)

    def _on_decided(self, message: str) -> None:
        self._show_page(0)
        self.page.run_bar.say(message)
        self._show_dataset()
