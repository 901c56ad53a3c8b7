"""Corrections: what changes, what stays, and which ids come out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from drawn import disc, discs, iou

from napari_nucleiseg import edits
from napari_nucleiseg.edits import Edit
from napari_nucleiseg.errors import BadInput

SHAPE = (60, 90)
# Three nuclei: 1 and 2 overlap (2 on top), 3 stands alone.
LABELS = discs(SHAPE, (20, 20, 12), (20, 40, 12), (42, 70, 10))
JOINED = np.where(LABELS == 2, 1, LABELS).astype(np.int32)

ON_ONE_NUCLEUS: list[Callable[[np.ndarray, int], Edit]] = [
    edits.delete,
    edits.fill_holes,
    edits.smooth,
    edits.split_at_waist,
    lambda labels, id: edits.merge(labels, id, 3),
    lambda labels, id: edits.split_by_line(labels, id, np.array([[0.0, 30.0], [59.0, 30.0]])),
]


@pytest.mark.parametrize("edit", ON_ONE_NUCLEUS)
def test_labels_are_not_written_to_and_only_changed_pixels_come_back(
    edit: Callable[[np.ndarray, int], Edit],
) -> None:
    labels = JOINED.copy()
    labels[20, 20] = labels[5, 20] = 0
    before = labels.copy()
    found = edit(labels, 1)
    assert (labels == before).all()
    assert (labels[found.index] != found.values).all()
    assert found.values.dtype == labels.dtype
    assert len(found.index[0]) == len(found.index[1]) == len(found.values) > 0
    assert set(found.touched) <= set(np.unique(found.apply(labels)))


@pytest.mark.parametrize("edit", ON_ONE_NUCLEUS)
@pytest.mark.parametrize("missing", [0, 9, -1])
def test_an_id_that_is_not_there_is_refused(
    edit: Callable[[np.ndarray, int], Edit], missing: int
) -> None:
    with pytest.raises(BadInput, match=f"id {missing}; point at a nucleus"):
        edit(LABELS, missing)


def test_delete() -> None:
    found = edits.delete(LABELS, 1)
    assert (found.apply(LABELS) == np.where(LABELS == 1, 0, LABELS)).all()
    assert found.touched == ()


def test_delete_takes_every_piece() -> None:
    labels = LABELS.copy()
    labels[58, 88] = 1
    assert 1 not in edits.delete(labels, 1).apply(labels)


def test_merge_keeps_the_first_id() -> None:
    found = edits.merge(LABELS, 2, 1)
    merged = found.apply(LABELS)
    assert found.touched == (2,)
    assert 1 not in merged
    assert (merged[LABELS == 1] == 2).all()
    assert (merged == 3).sum() == (LABELS == 3).sum()
    # Only the corners of the waist are filled.
    assert ((merged == 2) & (LABELS == 0)).sum() < 10


@pytest.mark.parametrize(("gap", "pieces"), [(1, 1), (4, 1), (5, 2)])
def test_merge_bridges_a_small_gap(gap: int, pieces: int) -> None:
    from napari_nucleiseg.shapes import pieces as count

    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 5:25] = 1
    labels[10:30, 25 + gap : 50] = 2
    edit = edits.merge(labels, 1, 2)
    merged = edit.apply(labels)
    assert count(merged == 1)[0] == pieces
    assert edits.are_joined(labels, edit, 1, 2) == (pieces == 1)
    if pieces == 1:
        assert (merged[12:28, 5:50] == 1).all()


def test_the_bridge_takes_no_pixel_of_a_third_nucleus() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 5:25] = 1
    labels[10:30, 27:50] = 2
    labels[18:22, 25:27] = 3
    merged = edits.merge(labels, 1, 2).apply(labels)
    assert (merged[18:22, 25:27] == 3).all()
    assert (merged[12:17, 25:27] == 1).all()


def test_nuclei_with_a_third_all_along_between_them_are_not_joined() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 5:25], labels[5:35, 25:27], labels[10:30, 27:50] = 1, 3, 2
    edit = edits.merge(labels, 1, 2)
    assert not edits.are_joined(labels, edit, 1, 2)
    assert edits.are_joined(labels, edits.merge(labels, 3, 2), 3, 2)


def test_merge_of_distant_nuclei_and_of_one_with_itself() -> None:
    merged = edits.merge(LABELS, 1, 3).apply(LABELS)
    assert (merged == np.where(LABELS == 3, 1, LABELS)).all()
    found = edits.merge(LABELS, 1, 1)
    assert not found
    assert found.touched == ()


def test_split_by_line_gives_the_smaller_part_a_new_id() -> None:
    found = edits.split_by_line(JOINED, 1, [[5, 14], [35, 14]])
    split = found.apply(JOINED)
    assert found.touched == (1, 4)
    assert split[20, 9] == 4
    assert split[20, 40] == 1
    assert ((split == 1) | (split == 4)).sum() == (JOINED == 1).sum()
    assert (split == 4).sum() < (split == 1).sum()
    assert (found.values == 4).all()


def test_split_by_a_bent_line_follows_it() -> None:
    labels = np.zeros((50, 50), np.int32)
    labels[5:45, 5:45] = 7
    split = edits.split_by_line(labels, 7, [[0, 25], [25, 25], [25, 50]]).apply(labels)
    assert split[10, 40] == 8
    assert split[40, 40] == split[40, 10] == split[10, 10] == 7


def test_split_by_a_line_between_two_pieces_parts_them() -> None:
    labels = np.where(LABELS > 0, 1, 0).astype(np.int32)
    split = edits.split_by_line(labels, 1, [[50, 40], [28, 75]]).apply(labels)
    assert split[42, 70] == 2
    assert split[20, 20] == split[20, 40] == 1


def test_a_line_that_divides_nothing_is_refused() -> None:
    for line in ([[0, 0], [0, 89]], [[59, 0], [50, 5]]):
        with pytest.raises(BadInput, match="does not divide nucleus 3"):
            edits.split_by_line(LABELS, 3, line)


@pytest.mark.parametrize("line", [[[5, 5]], [[5, 5], [5, 5]], [[5, np.nan], [9, 9]], [1, 2, 3], []])
def test_a_line_without_length_is_refused(line: list) -> None:
    with pytest.raises(BadInput, match="no length"):
        edits.split_by_line(LABELS, 1, line)


def test_split_at_the_waist_undoes_a_merge() -> None:
    found = edits.split_at_waist(JOINED, 1)
    split = found.apply(JOINED)
    assert found.touched == (1, 4)
    assert iou(split == split[20, 20], LABELS == 1) > 0.85
    assert iou(split == split[20, 40], LABELS == 2) > 0.85
    assert (split == 3).sum() == (LABELS == 3).sum()


def test_split_at_the_waist_parts_pieces_first() -> None:
    labels = np.where(LABELS > 0, 1, 0).astype(np.int32)
    split = edits.split_at_waist(labels, 1).apply(labels)
    assert (split == np.where(LABELS == 3, 2, labels)).all()


@pytest.mark.parametrize(
    "split",
    [edits.split_at_waist, lambda labels, id: edits.split_by_line(labels, id, [[20, 0], [0, 20]])],
)
def test_the_largest_part_keeps_the_id_wherever_it_lies(
    split: Callable[[np.ndarray, int], Edit],
) -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[2:6, 2:6] = labels[20:36, 20:36] = 1
    found = split(labels, 1)
    parted = found.apply(labels)
    assert (parted[25, 25], parted[3, 3]) == (1, 2)
    assert found.touched == (1, 2)


def test_a_round_nucleus_has_no_waist() -> None:
    with pytest.raises(BadInput, match="Nucleus 3 has no waist; draw a line"):
        edits.split_at_waist(LABELS, 3)


def test_fill_holes_leaves_nuclei_inside_alone() -> None:
    labels = LABELS.copy()
    labels[40:45, 68:73] = 0
    labels[42, 70] = 8
    found = edits.fill_holes(labels, 3)
    filled = found.apply(labels)
    assert filled[42, 70] == 8
    assert ((filled == 3) | (filled == 8)).sum() == (LABELS == 3).sum()
    assert found.touched == (3,)
    assert not edits.fill_holes(LABELS, 3)


def test_a_bay_at_the_edge_of_the_image_is_no_hole() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[:10, 5:15] = 1
    labels[:5, 9:11] = 0
    assert not edits.fill_holes(labels, 1)


def test_smooth_takes_spurs_and_fills_notches() -> None:
    labels = np.zeros((80, 80), np.int32)
    round_ = disc((80, 80), 40, 40, 20)
    labels[round_] = 1
    labels[40, 60:72] = 1  # a spur
    labels[40, 20:27] = 0  # a notch
    smoothed = edits.smooth(labels, 1).apply(labels)
    assert smoothed[40, 66] == 0
    assert smoothed[40, 24] == 1
    assert iou(smoothed == 1, round_) > 0.97


def test_smooth_respects_neighbours_and_does_not_open_a_gap() -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[10:50, 10:30] = 1
    labels[10:50, 30:50] = 2
    smoothed = edits.smooth(labels, 1).apply(labels)
    assert ((smoothed == 2) == (labels == 2)).all()
    assert (smoothed[16:44, 29] == 1).all()


def test_smooth_does_not_fill_a_notch_that_a_neighbour_fills() -> None:
    labels = discs((80, 80), (40, 40, 20))
    labels[40, 20:27] = 2
    smoothed = edits.smooth(labels, 1).apply(labels)
    assert (smoothed[40, 20:27] == 2).all()


def test_smooth_does_not_round_a_nucleus_at_the_edge_of_the_image() -> None:
    labels = discs((60, 60), (0, 30, 18))
    smoothed = edits.smooth(labels, 1).apply(labels)
    assert (smoothed[0] == 1).sum() >= (labels[0] == 1).sum() - 2


@pytest.mark.parametrize("size", [1, 2, 3])
def test_smooth_never_erases(size: int) -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[5 : 5 + size, 5 : 5 + size] = 1
    assert (edits.smooth(labels, 1).apply(labels) == 1).any()


def test_smooth_never_tears() -> None:
    from napari_nucleiseg.shapes import pieces as count

    labels = discs((50, 90), (25, 20, 14), (25, 66, 14))
    labels[labels == 2] = 1
    labels[25, 20:66] = 1  # a thread between both
    assert count(edits.smooth(labels, 1).apply(labels) == 1)[0] == 1


def test_a_new_id_is_above_every_other() -> None:
    labels = np.where(JOINED == 3, 70_000, JOINED).astype(np.int32)
    assert edits.split_at_waist(labels, 1).touched == (1, 70_001)


def test_repeated_random_edits_keep_labels_sound() -> None:
    random = np.random.default_rng(0)
    labels = LABELS.copy()
    for _ in range(60):
        edit = ON_ONE_NUCLEUS[random.integers(1, len(ON_ONE_NUCLEUS))]
        before = labels
        try:
            found = edit(labels, int(random.choice(np.unique(labels)[1:])))
        except BadInput:
            continue
        labels = found.apply(labels)
        assert set(found.touched) <= set(np.unique(labels))
        changed = set(np.unique(before[found.index])) | set(np.unique(found.values))
        assert changed <= {0, *np.unique(before)} | set(found.touched)
    assert labels.max() > 3


@pytest.mark.parametrize("line", [np.zeros((0, 2)), np.array([[1.0, 9.0]]), np.full((3, 2), 5.0)])
def test_a_cut_without_a_line_is_refused(line: np.ndarray) -> None:
    with pytest.raises(BadInput, match="has no length"):
        edits.split_by_line(disc((40, 40), 20, 20, 9).astype(np.int32), 1, line)


@pytest.mark.parametrize("shape", [(40, 1), (1, 40)])
def test_nothing_is_added_in_an_image_of_one_row(shape: tuple[int, int]) -> None:
    image = np.zeros(shape, np.uint8)
    image.ravel()[10:20] = 200
    click = (15, 0) if shape[1] == 1 else (0, 15)
    with pytest.raises(BadInput, match="Nothing stands out"):
        edits.grow_from_click(np.zeros(shape, np.int32), click, image=image)
