from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from forbidden import forbid

from napari_nucleiseg.label_files import write_label_image
from napari_nucleiseg.state import (
    Record,
    SampleState,
    Status,
    decode_record,
    encode_record,
    read_state,
    write_state,
)

HASH = "0123456789abcdef" * 4
STATE = SampleState(Status.APPROVED, "nuclei", "2026-01-02T03:04:05+00:00", HASH, (3, 17))
LABELS = np.ones((4, 4), np.int32)


def test_nothing_is_unlabelled(tmp_path: Path) -> None:
    assert read_state(tmp_path / "missing") == SampleState(Status.UNLABELLED)


def test_a_folder_that_may_not_be_entered_is_unlabelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_state(tmp_path / "a", STATE)
    forbid(monkeypatch, tmp_path / "a")
    assert read_state(tmp_path / "a").status is Status.UNLABELLED


def test_state_survives_and_makes_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "nucleiseg" / "sample"
    write_state(folder, STATE)
    assert read_state(folder) == STATE
    assert [path.name for path in folder.iterdir()] == ["nucleiseg.json"]


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    write_state(tmp_path, STATE)
    values = json.loads((tmp_path / "nucleiseg.json").read_text())
    assert values["status"] == "approved"
    assert values["touched"] == [3, 17]


def test_ids_from_numpy_are_taken(tmp_path: Path) -> None:
    write_state(tmp_path, SampleState(touched=tuple(np.array([5, 6], np.int32))))
    assert read_state(tmp_path).touched == (5, 6)


def test_a_change_of_status_keeps_the_hash_of_the_labels(tmp_path: Path) -> None:
    write_state(tmp_path, STATE)
    write_state(tmp_path, SampleState(Status.CORRECTED))
    assert read_state(tmp_path).labels_sha256 == HASH


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": 2, "status": "approved"}',
        b'{"status": "approved"}',
    ],
)
def test_a_foreign_state_is_unknown_and_kept(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "nucleiseg.json").write_bytes(content)
    assert read_state(tmp_path) == SampleState()
    write_state(tmp_path, STATE)
    assert read_state(tmp_path) == STATE
    assert (tmp_path / "nucleiseg.bak.json").read_bytes() == content


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("status", "perfect"),
        ("status", ["approved"]),
        ("model", 3),
        ("saved_at", None),
        ("labels_sha256", "abc"),
        ("labels_sha256", 0),
        ("touched", 5),
        ("touched", ["5"]),
        ("touched", [0]),
        ("touched", [2**31]),
        ("touched", [1.5]),
        ("touched", [True]),
        ("masks_sha256", [""]),
        ("masks_sha256", "abc"),
        ("masks_sha256", [1]),
    ],
)
def test_a_record_that_is_wrong_in_one_part_is_none(key: str, value: object) -> None:
    values = json.loads(encode_record(Record(STATE, (HASH,))))
    assert decode_record(json.dumps(values)) == Record(STATE, (HASH,))
    assert decode_record(json.dumps(values | {key: value})) is None
    del values[key]
    assert decode_record(json.dumps(values)) is None


def test_a_corrupt_state_does_not_hide_labels(tmp_path: Path) -> None:
    write_label_image(tmp_path / "labels.tif", LABELS)
    (tmp_path / "nucleiseg.json").write_bytes(b"\0" * 300)
    assert read_state(tmp_path).status == Status.CORRECTED


def test_a_lost_state_is_read_from_the_labels(tmp_path: Path) -> None:
    write_label_image(tmp_path / "labels.tif", LABELS, description=encode_record(Record(STATE)))
    assert read_state(tmp_path) == STATE


def test_states_compare_as_values() -> None:
    assert SampleState(**asdict(STATE)) == STATE
