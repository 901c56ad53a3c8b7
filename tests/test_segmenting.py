from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_tiny_model

from napari_nucleiseg.config import DecodeConfig, PredictConfig
from napari_nucleiseg.dataset import read_sample_image
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.segmenting import samples_to_segment, segment_image, segment_samples
from napari_nucleiseg.session import Session
from napari_nucleiseg.state import Status, read_state
from napari_nucleiseg.storage import read_prediction
from napari_nucleiseg.synthetic import make_dataset


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A dataset of four images without masks, and a model."""
    folder = make_dataset(tmp_path / "set", count=4, edge=96, kinds=("fluorescence",))
    for masks in folder.glob("*/masks"):
        for mask in masks.iterdir():
            mask.unlink()
        masks.rmdir()
    session = Session()
    session.open_dataset(folder)
    session.set_model(write_tiny_model(tmp_path / "tiny"))
    return session


def ids(places: list) -> list[str]:
    return [sample.id for sample, _ in places]


def test_one_image_gives_maps_and_their_labels(session: Session) -> None:
    image = read_sample_image(session.dataset.samples[0])
    *tiles, last = segment_image(
        lambda: image, session.predictor, PredictConfig(), DecodeConfig(distance=0.2)
    )
    assert tiles
    assert {step.kind for step in tiles} == {"tile"}
    assert last.values["labels"].max() >= 2
    again = labels_from_maps(last.values["maps"], DecodeConfig(distance=0.2))
    assert np.array_equal(last.values["labels"], again)
    assert last.values["model"] is session.model
    assert last.values["device"].name


def test_each_sample_is_kept_on_the_disk_before_the_next_begins(session: Session) -> None:
    places = samples_to_segment(session)
    job = segment_samples(places, session.predictor, PredictConfig(), DecodeConfig())
    done = []
    for step in job:
        if step.kind == "sample":
            done.append(step.values["id"])
        if len(done) == 2:
            job.close()
    for sample, folder in places:
        kept = read_prediction(folder)
        assert (kept is not None) == (sample.id in done)
        status = Status.PREDICTED if sample.id in done else Status.UNLABELLED
        assert read_state(folder).status is status


def test_what_a_person_made_is_left_out(session: Session) -> None:
    first, second, third, fourth = session.dataset.samples
    labels = np.ones(read_sample_image(first).shape[:2], np.int32)
    session.save(first, labels)
    session.save(second, labels, status=Status.APPROVED)
    assert ids(samples_to_segment(session)) == [third.id, fourth.id]


def test_annotated_samples_are_left_out(dsb_folder: Path, tmp_path: Path) -> None:
    session = Session()
    session.open_dataset(dsb_folder)
    session.set_model(write_tiny_model(tmp_path / "tiny"))
    assert samples_to_segment(session) == []


def test_a_correction_made_while_the_job_runs_stays(session: Session) -> None:
    places = samples_to_segment(session)
    job = segment_samples(places, session.predictor, PredictConfig(), DecodeConfig())
    next(job)
    sample, folder = places[0]
    labels = np.ones(read_sample_image(sample).shape[:2], np.int32)
    session.save(sample, labels)
    assert len(list(job)) > 3
    assert read_state(folder).status is Status.CORRECTED
    assert read_prediction(folder) is None


def test_a_second_run_goes_on_where_the_first_was_cancelled(session: Session) -> None:
    every = ids(samples_to_segment(session))
    config, decode = PredictConfig(), DecodeConfig()
    job = segment_samples(samples_to_segment(session), session.predictor, config, decode)
    step = next(step for step in job if step.kind == "sample")
    job.close()
    session.note_state(step.values["id"], step.values["state"])
    assert ids(samples_to_segment(session)) == [*every[1:], every[0]]
