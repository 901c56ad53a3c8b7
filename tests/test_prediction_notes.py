from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleiseg.label_files import write_label_image
from napari_nucleiseg.prediction_notes import PredictionNote, encode_note, read_note
from napari_nucleiseg.storage import PREDICTION, write_prediction

LABELS = np.arange(64, dtype=np.int32).reshape(8, 8)


@pytest.mark.parametrize("edge", [8, 9000])
def test_what_is_noted_of_a_prediction_is_read_from_its_head(tmp_path: Path, edge: int) -> None:
    note = PredictionNote("Kerne “neu”", "ab" * 32, "cd" * 8)
    labels = np.zeros((edge, edge), np.int32)
    write_label_image(tmp_path / "a.tif", labels, description=encode_note(note))
    assert read_note(tmp_path / "a.tif") == note


def test_a_prediction_of_the_docks_is_known_too(tmp_path: Path) -> None:
    write_prediction(tmp_path, LABELS, "nuclei")
    assert read_note(tmp_path / PREDICTION) == PredictionNote("nuclei")


def test_a_note_of_before_the_settings_were_noted_is_read(tmp_path: Path) -> None:
    before = json.dumps({"model": "nuclei", "image_sha256": "ab" * 32})
    write_label_image(tmp_path / "a.tif", LABELS, description=before)
    assert read_note(tmp_path / "a.tif") == PredictionNote("nuclei", "ab" * 32, "")


def test_what_no_model_made_has_no_note(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    assert read_note(path) is None
    write_label_image(path, LABELS)
    assert read_note(path) is None
    tifffile.imwrite(path, LABELS, description=json.dumps({"model": "of a microscope"}))
    assert read_note(path) is None
    write_label_image(path, LABELS, description=encode_note(PredictionNote("nuclei")))
    tifffile.imwrite(path, tifffile.imread(path))  # as other programs save it
    assert read_note(path) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.timeout(10)
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tif")
    assert read_note(tmp_path / "a.tif") is None
