"""The session: samples in order, maps within bounds, models, signals."""

from __future__ import annotations

import numpy as np
import pytest
from squares import squares, write_sample
from tiny_models import write_tiny_model

from napari_nucleiseg import kept_maps
from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.lock import DatasetLock, FolderLocked
from napari_nucleiseg.sample_saving import Work, save_prediction
from napari_nucleiseg.session import Session, neighbour, session_for
from napari_nucleiseg.state import Status


@pytest.fixture
def folder(tmp_path):
    for name in "abc":
        write_sample(tmp_path / "few" / name, squares((64, 64), (5, 5)), masks=name == "a")
    return tmp_path / "few"


@pytest.fixture
def session(folder):
    session = Session()
    session.open_dataset(folder)
    yield session
    session.close_dataset()


def heard(signal):
    calls = []
    signal.connect(lambda *values: calls.append(values))
    return calls


class Viewer:
    """Anything that can be referred to weakly."""


def test_one_session_a_viewer():
    one, other = Viewer(), Viewer()
    assert session_for(one) is session_for(one)
    assert session_for(one) is not session_for(other)


def test_opening_tells_and_selects_nothing(folder):
    session = Session()
    datasets, samples = heard(session.dataset_changed), heard(session.sample_changed)
    session.open_dataset(folder)
    assert [each[0].root for each in datasets] == [folder]
    assert samples == []
    assert session.sample is None
    assert session.order == ("a", "b", "c")
    assert "b" in session
    assert session["b"].id == "b"
    session.close_dataset()


def test_select_next_and_previous(session):
    changed = heard(session.sample_changed)
    session.next_sample()
    session.next_sample()
    session.next_sample()
    session.next_sample()  # at the end, nothing happens
    session.previous_sample()
    assert [each[0].id for each in changed] == ["a", "b", "c", "b"]


def test_the_order_of_the_list_is_followed(session):
    session.order = ("c", "a")
    session.next_sample()
    assert session.sample.id == "c"
    session.next_sample()
    assert session.sample.id == "a"


def test_from_a_sample_that_is_filtered_out_the_next_in_the_dataset_is_reached(session):
    session.select("b")
    session.order = ("a", "c")
    session.next_sample()
    assert session.sample.id == "c"


@pytest.mark.parametrize(
    ("current", "by", "found"),
    [(None, 1, "a"), ("a", 1, "d"), ("a", -1, None), ("c", 1, "d"), ("c", -1, "a"), ("e", 1, None)],
)
def test_beside_a_sample_that_is_filtered_out_stand_its_neighbours(current, by, found):
    places = {name: place for place, name in enumerate("abcde")}
    assert neighbour("ad", current, by, places) == found


def test_a_dataset_is_written_to_by_one_session(session, folder):
    other = Session()
    other.open_dataset(folder)
    assert "being edited by" in other.read_only
    assert not other.is_writable
    session.close_dataset()
    other.open_dataset(folder)
    assert other.read_only == ""
    other.close_dataset()


def test_closing_lets_go_of_the_lock_and_of_everything(session, folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    session.use_correction_folder(tmp_path / "elsewhere")
    session.save(session["a"], squares((64, 64), (5, 5)))
    session.keep_maps("a", np.zeros((4, 4, 3), np.uint8))
    session.select("a")
    session.close_dataset()
    assert session.dataset is None
    assert session.sample is None
    assert session.order == ()
    assert session.maps("a") is None
    assert session.correction_folder is None
    assert (session.states, session.counts) == ({}, {})
    DatasetLock.acquire(folder).release()


def test_unsaved_work_keeps_its_dataset_open(session, tmp_path):
    sample = session["a"]
    session.note_pending("a", Work(sample, sample.folder, np.zeros((4, 4)), Status.CORRECTED))
    write_sample(tmp_path / "other" / "x", squares((64, 64), (5, 5)), masks=False)
    with pytest.raises(BadInput, match="Corrections of a are not saved"):
        session.open_dataset(tmp_path / "other")
    assert session.dataset.root.name == "few"


def test_saving_tells_state_and_count(session):
    changed = heard(session.state_changed)
    labels = squares((64, 64), (5, 5), (30, 30))
    state = session.save(session["b"], labels, touched=[2])
    assert changed == [("b",)]
    assert session.states["b"] == state
    assert state.status is Status.CORRECTED
    assert state.touched == (2,)
    assert session.counts["b"] == 2
    assert np.array_equal(session.read(session["b"]).labels, labels)


def test_a_correction_names_the_model_that_it_began_with(session):
    labels = squares((64, 64), (5, 5))
    predicted = save_prediction(session["b"], session["b"].folder, labels, "a model")
    session.note_state("b", predicted)
    assert session.save(session["b"], labels).model == "a model"


def test_another_folder_takes_all_further_corrections(session, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    changed = heard(session.read_only_changed)
    session.use_correction_folder(elsewhere)
    session.save(session["b"], squares((64, 64), (5, 5)))
    assert changed
    assert (elsewhere / "b" / "labels.tif").exists()
    assert not (session["b"].folder / "labels.tif").exists()
    assert session.read(session["b"]).labels.any()
    with pytest.raises(FolderLocked):
        DatasetLock.acquire(elsewhere)


def test_states_read_late_do_not_hide_newer_ones(session):
    session.save(session["b"], squares((64, 64), (5, 5)))
    batches = heard(session.states_read)
    session.note_states({"a": session.state_of(session["a"]), "b": session.state_of(session["a"])})
    assert session.states["b"].status is Status.CORRECTED
    assert batches == [(("a",),)]


# --- model and maps


def test_a_model_brings_its_thresholds_and_drops_the_maps(session, tmp_path):
    model = write_tiny_model(tmp_path / "tiny")
    session.keep_maps("a", np.zeros((4, 4, 3), np.uint8))
    models, decodes = heard(session.model_changed), heard(session.decode_changed)
    dropped = heard(session.maps_changed)
    session.set_model(tmp_path / "tiny")
    assert models == [(model,)]
    assert decodes == [(model.decode,)]
    assert session.decode == model.decode
    assert dropped == [("a",)]
    assert session.maps("a") is None


def test_one_predictor_a_model(session, tmp_path):
    session.set_model(write_tiny_model(tmp_path / "tiny"))
    first = session.predictor()
    assert session.predictor() is first
    session.set_model(write_tiny_model(tmp_path / "tiny"))
    assert session.predictor() is not first


def test_no_model_no_predictor():
    with pytest.raises(BadInput, match="choose one"):
        Session().predictor()


def test_the_same_thresholds_are_no_news():
    session = Session()
    changed = heard(session.decode_changed)
    session.set_decode(DecodeConfig())
    assert changed == []
    session.set_decode(DecodeConfig(min_area=7))
    assert changed == [(DecodeConfig(min_area=7),)]


def test_maps_that_come_and_those_that_go_are_told_of(monkeypatch):
    monkeypatch.setattr(kept_maps, "MAPS_BYTES", 100)
    session = Session()
    changed = heard(session.maps_changed)
    for name in "abc":
        session.keep_maps(name, np.zeros((4, 4, 3), np.uint8))  # 48 bytes
    assert changed == [("a",), ("b",), ("c",), ("a",)]
    assert session.maps("a") is None
    assert session.maps("c") is not None


def test_there_is_a_way_back_to_an_earlier_folder_of_corrections(session, tmp_path):
    for name in ("one", "two", "one"):
        (tmp_path / name).mkdir(exist_ok=True)
        session.use_correction_folder(tmp_path / name)
    assert session.correction_folder == tmp_path / "one"
    session.close_dataset()
    DatasetLock.acquire(tmp_path / "one").release()
