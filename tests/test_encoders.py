from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_tiny_model

from napari_nucleiseg.encoders import find_encoder
from napari_nucleiseg.models import find_model

pytestmark = pytest.mark.tensorflow

PHOTOGRAPHS = {"kernel": np.zeros(1, np.float32)}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_nucleiseg.nn.classic.imagenet_encoder", lambda: None)
    monkeypatch.setattr("napari_nucleiseg.nn.classic.encoder_part", dict)


def test_where_imagenet_cannot_be_downloaded_it_is_the_shipped_model_s_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights, source, note = find_encoder()
    assert weights
    assert source == find_model("nuclei")
    assert note == "of the model nuclei, because ImageNet's weights could not be downloaded"
    monkeypatch.setattr("napari_nucleiseg.nn.classic.imagenet_encoder", lambda: PHOTOGRAPHS)
    assert find_encoder() == (PHOTOGRAPHS, None, "ImageNet, downloaded by Keras")


def test_a_model_that_was_named_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "napari_nucleiseg.nn.classic.imagenet_encoder", lambda: pytest.fail("not asked for")
    )
    model = write_tiny_model(tmp_path / "mine")
    _, source, note = find_encoder(str(model.folder))
    assert (source, note) == (model, "of the model mine")
