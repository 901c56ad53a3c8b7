from __future__ import annotations

from pathlib import Path

import pytest

from napari_nucleiseg.cli import main
from napari_nucleiseg.label_files import read_label_tif


def test_the_demo_makes_images_and_segments_them_with_the_shipped_model(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    assert main(["demo", "--no-window", "--out", str(out)]) == 0
    labels = sorted((out / "labels").glob("*.tif"))
    images = sorted((out / "dataset").glob("*/images/*"))
    assert [each.stem for each in labels] == [each.stem for each in images]
    assert all(read_label_tif(each).max() > 3 for each in labels)
    assert len(list((out / "labels").glob("*.png"))) == len(labels)
    printed = capsys.readouterr().out
    assert f"{len(labels)} label images in" in printed
    assert str(out / "dataset") in printed
