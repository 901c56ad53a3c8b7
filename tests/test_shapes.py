"""Cuts, waists and outlines of single nuclei."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import disc, iou

from napari_nucleiseg import shapes

PAIR = disc((40, 60), 20, 18, 12) | disc((40, 60), 20, 40, 12)


def test_a_cut_loses_no_pixel_and_puts_the_largest_first() -> None:
    mask = disc((40, 40), 20, 20, 15)
    parts = shapes.cut(mask, np.array([[2.0, 12.0], [38.0, 12.0]]))
    assert ((parts > 0) == mask).all()
    assert parts.max() == 2
    assert parts[20, 30] == 1
    assert parts[20, 8] == 2


@pytest.mark.parametrize("angle", np.linspace(0, np.pi, 8, endpoint=False))
def test_parts_touch_by_no_corner_through_the_line(angle: float) -> None:
    mask = disc((50, 50), 25, 25, 20)
    reach = 24 * np.array([np.sin(angle), np.cos(angle)])
    parts = shapes.cut(mask, np.array([25 - reach, 25 + reach]))
    assert parts.max() == 2
    assert [shapes.pieces(parts == part)[0] for part in (1, 2)] == [1, 1]
    assert np.bincount(parts.ravel())[2] > 0.4 * mask.sum()


def test_a_line_that_ends_inside_is_lengthened() -> None:
    mask = disc((40, 40), 20, 20, 15)
    parts = shapes.cut(mask, np.array([[17.0, 20.0], [23.0, 20.0]]))
    assert parts.max() == 2
    assert parts[6, 19] != parts[6, 21]
    assert parts[34, 19] != parts[34, 21]


def test_a_piece_that_the_line_does_not_meet_stays_with_the_largest_part() -> None:
    # The loose piece is nearest to the smaller part.
    mask = disc((60, 60), 35, 30, 15) | disc((60, 60), 35, 4, 3)
    parts = shapes.cut(mask, np.array([[10.0, 24.0], [59.0, 24.0]]))
    assert parts[35, 20] == 2
    assert parts[35, 4] == parts[35, 40] == 1


def test_a_lengthened_line_stops_where_it_leaves_the_nucleus() -> None:
    # A U: the line ends inside the left arm, and the right arm stays whole.
    mask = np.zeros((40, 40), bool)
    mask[5:35, 5:12] = mask[5:35, 28:35] = mask[28:35, 5:35] = True
    parts = shapes.cut(mask, np.array([[15.0, 0.0], [15.0, 8.0]]))
    assert parts.max() == 2
    assert (parts[5:35, 28:35] == 1).all()
    assert (parts[5:14, 5:12] == 2).all()


def test_a_line_beside_or_at_the_rim_cuts_nothing() -> None:
    mask = disc((40, 40), 20, 20, 15)
    for line in ([[0.0, 0.0], [0.0, 39.0]], [[5.0, 0.0], [5.0, 39.0]]):
        assert (shapes.cut(mask, np.array(line)) == mask).all()


def test_a_line_far_outside_the_image_is_clipped() -> None:
    mask = disc((40, 40), 20, 20, 15)
    parts = shapes.cut(mask, np.array([[20.0, -1e12], [20.0, 1e12]]))
    assert parts.max() == 2


def test_a_line_through_three_lobes_makes_three_parts() -> None:
    mask = np.zeros((30, 40), bool)
    mask[20:28, 2:38] = mask[5:28, 2:10] = mask[5:28, 28:38] = True
    parts = shapes.cut(mask, np.array([[12.0, 0.0], [12.0, 39.0]]))
    assert parts.max() == 3
    assert (parts[24] == mask[24]).all()


def test_the_waist_of_two_discs_lies_between_them() -> None:
    line = shapes.waist(PAIR)
    assert line is not None
    assert line[:, 1] == pytest.approx(29, abs=1.5)
    parts = shapes.cut(PAIR, line)
    assert iou(parts == parts[20, 18], disc((40, 60), 20, 18, 12)) > 0.95
    assert iou(parts == parts[20, 40], disc((40, 60), 20, 40, 12)) > 0.95


def test_a_horseshoe_is_not_cut_across_its_mouth() -> None:
    mask = disc((60, 60), 30, 30, 22) & ~disc((60, 60), 30, 30, 12)
    mask[:30, 26:34] = False
    line = shapes.waist(mask)
    assert line is not None
    assert shapes.cut(mask, line).max() == 2


def test_a_small_disc_on_a_large_one_is_cut_off() -> None:
    small, large = disc((60, 60), 24, 46, 8), disc((60, 60), 30, 24, 18)
    line = shapes.waist(small | large)
    assert line is not None
    parts = shapes.cut(small | large, line)
    assert iou(parts == 2, small & ~large) > 0.8


@pytest.mark.parametrize("radii", [(15, 15), (20, 9), (5, 5), (1, 1), (0.5, 0.5)])
def test_a_convex_nucleus_has_no_waist(radii: tuple[float, float]) -> None:
    rows, columns = np.ogrid[:50, :50]
    mask = ((rows - 25) / radii[0]) ** 2 + ((columns - 25) / radii[1]) ** 2 <= 1
    assert shapes.waist(np.asarray(mask)) is None


def test_a_rod_one_pixel_wide_has_no_waist() -> None:
    mask = np.zeros((9, 40), bool)
    mask[4, 2:38] = True
    assert shapes.waist(mask) is None
    assert shapes.bays(shapes.outline(mask)).max() == 0


def test_depth_of_a_bay() -> None:
    mask = np.zeros((40, 40), bool)
    mask[5:35, 5:35] = True
    mask[5:15, 18:22] = False  # a slot from the top
    # The outline's deepest pixel is row 15; the hull's edge is row 5.
    assert shapes.bays(shapes.outline(mask)).max() == pytest.approx(10)


def test_an_outline_is_thinned_to_the_points_asked_for() -> None:
    mask = disc((300, 300), 150, 150, 140)
    assert 80 < len(shapes.outline(mask, 160)) <= 160
    assert len(shapes.outline(np.zeros((5, 5), bool))) == 0


def test_holes_and_depth() -> None:
    mask = disc((40, 40), 20, 20, 15)
    ring = mask & ~disc((40, 40), 20, 20, 5)
    assert (shapes.holes(ring) == disc((40, 40), 20, 20, 5)).all()
    assert not shapes.holes(mask).any()
    # The nearest pixel outside is 15 rows and 1 column away.
    assert shapes.depth(mask)[20, 20] == pytest.approx(np.hypot(15, 1))
    # The crop's edge counts as outside.
    assert shapes.depth(np.ones((5, 5), bool))[2, 2] == 3
    assert shapes.distance_to(mask)[20, 38] == pytest.approx(3)


def test_a_piece_is_found_by_a_pixel_of_it() -> None:
    mask = disc((40, 40), 10, 10, 5) | disc((40, 40), 30, 30, 5)
    assert (shapes.piece_at(mask, (30, 30)) == disc((40, 40), 30, 30, 5)).all()
    assert not shapes.piece_at(mask, (20, 20)).any()
    corner = np.eye(2, dtype=bool)
    assert (shapes.piece_at(corner, (0, 0)) == [[True, False], [False, False]]).all()
