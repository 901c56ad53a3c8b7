from __future__ import annotations

import pytest

from napari_nucleiseg.tiles import plan_spans


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
