"""Which samples are listed, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_nucleiseg.dataset import Dataset
from napari_nucleiseg.listing import (
    Query,
    Shown,
    chosen,
    count_statuses,
    known_count,
    shown_status,
)
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.sample_files import OpenDataset
from napari_nucleiseg.session import Session
from napari_nucleiseg.state import SampleState, Status


def sample(name: str, masks: int = 0, modality: str = "", layout: str = "kaggle") -> Sample:
    paths = tuple(Path(f"{name}/masks/{number}.png") for number in range(masks))
    return Sample(name, Path(f"{name}.png"), paths, layout, Path(name), modality)


@pytest.fixture
def session():
    samples = (
        sample("a1", masks=3, modality="smear"),
        sample("a2", modality="smear"),
        sample("b3", masks=1, modality="tissue"),
        sample("b4", masks=1, modality="tissue", layout="labels"),
    )
    session = Session()
    session.use_dataset(OpenDataset(Dataset(Path("somewhere"), "kaggle", samples)))
    session.note_state("b3", SampleState(Status.APPROVED), count=12)
    session.note_state("a2", SampleState(Status.PREDICTED, "a model"), count=5)
    return session


def listed(session, **query):
    samples = session.dataset.samples
    return [samples[place].id for place in chosen(session, samples, Query(**query))]


def test_all_in_the_datasets_order(session):
    assert listed(session) == ["a1", "a2", "b3", "b4"]
    assert listed(session, descending=True) == ["b4", "b3", "a2", "a1"]


def test_search_status_and_modality_together(session):
    assert listed(session, text="B") == ["b3", "b4"]
    assert listed(session, status="annotated") == ["a1", "b4"]
    assert listed(session, modality="smear", status="predicted") == ["a2"]
    assert listed(session, text="b", status="predicted") == []


def test_orders(session):
    assert listed(session, order="status") == ["a2", "a1", "b4", "b3"]
    assert listed(session, order="nuclei") == ["b4", "a1", "a2", "b3"]
    assert listed(session, order="nuclei", descending=True)[0] == "b3"
    assert listed(session, order="modality", descending=True)[0] == "b3"


def test_masks_that_came_along_are_an_annotation(session):
    a1, a2, b3, _ = session.dataset.samples
    assert shown_status(session, a1) is Shown.ANNOTATED
    assert shown_status(session, a2) is Shown.PREDICTED
    assert shown_status(session, b3) is Shown.APPROVED


def test_masks_are_counted_without_reading_them(session):
    assert [known_count(session, each) for each in session.dataset.samples] == [3, 5, 12, None]


def test_statuses_are_counted(session):
    counts = count_statuses(session, session.dataset.samples)
    assert counts == {"annotated": 2, "predicted": 1, "approved": 1}
