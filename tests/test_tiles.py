from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_tiny_model

from napari_nucleiseg.config import PredictConfig
from napari_nucleiseg.tiles import Layout, plan_spans


@pytest.mark.parametrize(
    ("cells", "tile", "margin"), [(1, 8, 2), (8, 8, 2), (9, 8, 2), (100, 7, 3)]
)
def test_kept_parts_follow_one_another(cells: int, tile: int, margin: int) -> None:
    spans = plan_spans(cells, tile, margin)
    assert [span.keep_start for span in spans] == [0, *(span.keep_stop for span in spans[:-1])]
    assert spans[-1].keep_stop == cells
    assert {span.stop - span.start for span in spans} == {spans[0].stop - spans[0].start}


@pytest.mark.parametrize(
    ("cells", "tile", "margin"), [(9, 8, 2), (33, 16, 2), (100, 7, 3), (9, 1, 2)]
)
def test_kept_parts_are_a_margin_away_from_every_cut(cells: int, tile: int, margin: int) -> None:
    for span in plan_spans(cells, tile, margin):
        assert span.start == 0 or span.keep_start - span.start >= margin
        assert span.stop == cells or span.stop - span.keep_stop >= margin


def test_tiles_are_no_longer_than_asked() -> None:
    assert all(span.stop - span.start <= 16 for span in plan_spans(1000, 16, 2))


def test_beyond_the_image_a_tile_is_its_mirror_image(tmp_path: Path) -> None:
    image = np.arange(50 * 45, dtype=np.uint16).reshape(50, 45)
    layout = Layout.of(image, write_tiny_model(tmp_path / "tiny"), PredictConfig())
    ((rows, columns),) = layout.tiles()
    tile = layout.read(image, rows, columns)
    assert tile.shape == (64, 64)
    np.testing.assert_array_equal(tile[:50, :45], image)
    np.testing.assert_array_equal(tile[50:, :45], image[48:34:-1])
    np.testing.assert_array_equal(tile[:, 45:], tile[:, 43:24:-1])
