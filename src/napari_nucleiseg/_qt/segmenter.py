"""Runs the model for the Segment dock, and brings what it finds to its place."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_nucleiseg._qt.prediction_saver import PredictionSaver
from napari_nucleiseg._qt.redecoder import Redecoder
from napari_nucleiseg._qt.subjects import SampleSubject, Subject
from napari_nucleiseg._qt.workers import JobHandle, run_job
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.sample_files import read_states
from napari_nucleiseg.segmenting import (
    Place,
    samples_to_segment,
    segment_image,
    segment_samples,
)
from napari_nucleiseg.state import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_nucleiseg._qt.layers import SampleLayers
    from napari_nucleiseg.config import DecodeConfig
    from napari_nucleiseg.models import Model
    from napari_nucleiseg.progress import Progress
    from napari_nucleiseg.sample import Sample
    from napari_nucleiseg.session import Session


_FAULT = "Segmenting failed; napari's notification says why."


class Segmenter(QObject):
    """Segments one image, or all samples, one job at a time.

    Parameters
    ----------
    session : Session
    layers : SampleLayers
    parent : QObject
        What runs is cancelled when it is destroyed.

    Attributes
    ----------
    began : Signal(str)
        A job runs; what it does.
    progressed : Signal(object)
        A `Progress` of it.
    ended : Signal(str)
        None runs any more; how it went.
    failed : Signal(str)
        None runs any more; what went wrong.
    device_found : Signal(object)
        The `Device` that the network ran on.
    """

    began = Signal(str)
    progressed = Signal(object)
    ended = Signal(str)
    failed = Signal(str)
    device_found = Signal(object)

    def __init__(self, session: Session, layers: SampleLayers, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._layers = layers
        self._job: JobHandle | None = None
        self._subject: Subject | None = None
        self._run: _DatasetRun | None = None
        self._late: tuple[Sample, np.ndarray] | None = None
        self._saver = PredictionSaver(session, self)
        self._redecoder = Redecoder(self, lambda error: self.failed.emit(str(error)))

    @property
    def is_running(self) -> bool:
        """Whether a job runs; a cancelled one does not."""
        return self._job is not None

    def subject_of(self, sample: Sample) -> SampleSubject:
        """Give the subject of a sample."""
        return SampleSubject(sample, self._session, self._layers, self._on_labels)

    # --- one image

    def segment(self, subject: Subject) -> None:
        """Segment one image; nothing happens while a job runs."""
        if self.is_running:
            return
        session, decode = self._session, self._session.decode
        self._subject = subject
        self._redecoder.drop()
        self._start(
            partial(segment_image, subject.read, session.predictor, session.predict_config, decode),
            on_result=partial(self._on_segmented, subject, decode),
        )
        self.began.emit(f"Reading {subject.name}")

    def _on_segmented(self, subject: Subject, decode: DecodeConfig, step: Progress) -> None:
        self._forget_job()
        self.device_found.emit(step.values["device"])
        subject.keep(step.values["maps"])
        try:
            where = subject.show(step.values["labels"])
        except BadInput as error:
            self.failed.emit(str(error))
            return
        except BaseException:
            self.failed.emit(_FAULT)
            raise
        found = count_in_words(step.values["labels"])
        self.ended.emit(f"{subject.name}: {found}{where and ', ' + where}.")
        if decode != self._session.decode:
            self.redecode(subject)

    def redecode(self, subject: Subject) -> bool:
        """Apply the thresholds to the kept maps; False where there are none."""
        maps = subject.maps()
        if maps is None:
            return False
        self._redecoder.ask(maps, self._session.decode, partial(self._on_redecoded, subject))
        return True

    def _on_redecoded(self, subject: Subject, labels: np.ndarray) -> None:
        subject.show(labels)
        if not self.is_running:
            self.ended.emit(f"{subject.name}: {count_in_words(labels)}.")

    def stop_for(self, model: Model | None) -> None:
        """Give up what another model was about to say of the image on show."""
        self._redecoder.drop()
        if self._subject is not None:
            self._cancel("Cancelled: another model is in use now.")

    # --- all samples

    def segment_dataset(self) -> None:
        """Segment all samples that no person has labelled; nothing happens while a job runs."""
        if self.is_running:
            return
        session = self._session
        places = samples_to_segment(session)
        if not places:
            self.ended.emit("All samples are annotated or corrected: there is none to segment.")
            return
        self._run = _DatasetRun(places)
        job = partial(
            segment_samples, places, session.predictor, session.predict_config, session.decode
        )
        self._start(job, on_result=lambda step: self._on_dataset_done())
        self.began.emit(f"Segmenting {len(places)} samples")

    def _on_sample(self, step: Progress) -> None:
        sample_id, labels = step.values["id"], step.values["labels"]
        session, run = self._session, self._run
        assert run is not None
        run.done += 1
        if sample_id not in session:
            return
        state = step.values["state"]
        is_kept = state.status is Status.PREDICTED
        session.note_state(sample_id, state, int(labels.max(initial=0)) if is_kept else None)
        if not is_kept:
            return  # a person has corrected it meanwhile
        if session.model == step.values["model"]:
            session.keep_maps(sample_id, step.values["maps"])
        if self._layers.sample is session[sample_id]:
            self._layers.show_prediction(sample_id, labels)

    def _on_dataset_done(self) -> None:
        run = self._run
        self._forget_job()
        if run is not None:
            self.ended.emit(run.summary())

    # --- both

    def cancel(self) -> None:
        """Stop at once; what was done stays."""
        self._cancel(self._run.summary("Cancelled; ") if self._run else "Cancelled.")

    def _cancel(self, message: str) -> None:
        if self._job is None:
            return
        # Its thread may still finish a tile; nobody listens to it any more.
        self._job.cancel()
        self._forget_job()
        self.ended.emit(message)

    def _start(
        self, job: Callable[[], Iterator[Progress]], on_result: Callable[[Any], None]
    ) -> None:
        self._job = run_job(
            job,
            on_progress=self._on_progress,
            on_result=on_result,
            on_error=self._on_error,
            on_end=lambda: self._on_end(handle, run),
            owner=self,
        )
        handle, run = self._job, self._run

    def _on_progress(self, step: Progress) -> None:
        if step.kind == "sample":
            self._on_sample(step)
        elif step.kind == "problem" and self._run is not None:
            self._run.problems.append(step.values["error"])
        self.progressed.emit(step)

    def _on_error(self, error: BadInput) -> None:
        self._forget_job()
        self.failed.emit(str(error))

    def _on_end(self, handle: JobHandle, run: _DatasetRun | None) -> None:
        if handle is self._job:
            # Neither result nor `BadInput`: a fault of the program, which napari shows.
            self._forget_job()
            self.failed.emit(_FAULT)
        if run is not None and run.following():
            # Written before the job was stopped, but not told any more.
            job = partial(read_states, run.following())
            run_job(job, on_result=self._on_states_read, owner=self)

    def _on_states_read(self, step: Progress | None) -> None:
        for sample_id, state in (step.values["states"] if step else {}).items():
            if sample_id in self._session and state.status is Status.PREDICTED:
                self._session.note_state(sample_id, state)

    def _forget_job(self) -> None:
        self._job = self._subject = self._run = None

    # --- labels of a sample

    def _on_labels(self, sample: Sample, labels: np.ndarray, is_shown: bool) -> None:
        if not is_shown:
            self._late = sample, labels
        elif self._late is not None and self._late[0] is sample:
            self._late = None
        if not (is_shown and self._layers.draft.is_protected):
            self._saver.keep(sample, labels)

    def deliver(self) -> None:
        """Show what arrived while another sample was on show, once its own is back."""
        if self._late is not None and self._late[0] is self._layers.sample:
            sample, labels = self._late
            self._late = None
            self.subject_of(sample).show(labels)


class _DatasetRun:
    """What a run over all samples has come to."""

    def __init__(self, places: list[Place]) -> None:
        self.places = places
        self.done = 0
        self.problems: list[str] = []

    def following(self) -> dict[str, Place]:
        """List what comes next: it may be on the disk when a job is cancelled."""
        first = self.done + len(self.problems)
        return {sample.id: (sample, folder) for sample, folder in self.places[first : first + 2]}

    def summary(self, first: str = "") -> str:
        words = f"{first}{self.done} of {len(self.places)} samples are segmented."
        if not self.problems:
            return words[0].upper() + words[1:]
        return f"{words} {len(self.problems)} could not be: {self.problems[0]}"


def count_in_words(labels: np.ndarray) -> str:
    """Say how many nuclei there are in labels numbered 1..n."""
    count = int(labels.max(initial=0))
    return "1 nucleus" if count == 1 else f"{count or 'no'} nuclei"
