"""Arrays are segmented in one call, as the command line segments files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from napari_nucleiseg.cli import main
from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.images import read_label_image
from napari_nucleiseg.models import find_model
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.scripting import segment
from napari_nucleiseg.synthetic import make_image


@pytest.mark.parametrize("kind", ["fluorescence", "stained"])
def test_an_array_gets_the_labels_that_its_file_gets(tmp_path: Path, kind: str) -> None:
    image, _ = make_image(kind, (120, 150), 3)
    colours = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    cv2.imwrite(str(tmp_path / "a.png"), colours)
    main(["predict", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")])
    labels = segment(image)
    assert labels.max() > 0
    np.testing.assert_array_equal(labels, read_label_image(tmp_path / "out" / "a.tif"))


def test_alpha_does_not_count_and_a_list_will_do() -> None:
    image, _ = make_image("stained", (64, 64), 0)
    labels = segment(image)
    alpha = np.dstack([image, np.full(image.shape[:2], 9, np.uint8)])
    np.testing.assert_array_equal(segment(alpha), labels)
    np.testing.assert_array_equal(segment(image.tolist()), labels)


def test_a_model_started_once_and_other_thresholds(model: str) -> None:
    image, _ = make_image("fluorescence", (64, 64), 0)
    predictor = Predictor(find_model(model))
    labels = segment(image, predictor)
    np.testing.assert_array_equal(labels, segment(image, Path(model)))
    assert labels.any()
    assert not segment(image, predictor, decode=DecodeConfig(min_area=4096)).any()


def test_what_is_no_image_and_no_model_is_said() -> None:
    with pytest.raises(BadInput, match=r"shape \(3, 64, 64\)"):
        segment(np.zeros((3, 64, 64)))
    with pytest.raises(BadInput, match="nothing-such"):
        segment(np.zeros((64, 64)), "nothing-such")
