"""A stroke beside a nucleus, and what eraser and bucket still do."""

from __future__ import annotations

import numpy as np
import pytest
from showing import SECOND, show

ACROSS = slice(10, 30)  # where the first of two squares lies, in rows and columns


def at_work(layer, mode, label, row, columns):
    """Draw along a row, as napari does for the mouse."""
    layer.mode, layer.brush_size, layer.selected_label = mode, 9, label
    for column in columns:
        if mode == "fill":
            layer.fill((row, column), label)
        else:
            layer.paint((row, column), 0 if mode == "erase" else label)
    return np.array(layer.data)


def test_a_stroke_beside_a_nucleus_leaves_it_whole(shown):
    layer = shown.labels_layer
    first = layer.data == 1
    assert layer.preserve_labels, "napari's box shows it"
    labels = at_work(layer, "paint", 7, 8, range(5, 40))
    np.testing.assert_array_equal(labels == 1, first)
    assert (labels[9, ACROSS] == 7).all()


@pytest.mark.parametrize("before", ["pan_zoom", "paint"])
def test_the_eraser_erases_any_nucleus(shown, before):
    layer = shown.labels_layer
    layer.mode = before
    labels = at_work(layer, "erase", 7, 20, range(5, 65))
    assert not labels[20, :].any()


def test_the_bucket_relabels_a_nucleus(shown):
    layer = shown.labels_layer
    first = layer.data == 1
    labels = at_work(layer, "fill", 7, 20, [20])
    np.testing.assert_array_equal(labels == 7, first)


def test_the_brush_keeps_neighbours_again_after_the_eraser(shown):
    layer = shown.labels_layer
    first = layer.data == 1
    at_work(layer, "erase", 7, 5, [5])
    labels = at_work(layer, "paint", 7, 8, range(5, 40))
    np.testing.assert_array_equal(labels == 1, first)
    assert layer.preserve_labels


def test_who_unticks_the_box_paints_over_nuclei_on_the_next_image_too(shown, qtbot):
    shown.labels_layer.preserve_labels = False
    at_work(shown.labels_layer, "erase", 7, 5, [5])
    show(qtbot, shown, SECOND)
    layer = shown.labels_layer
    assert not layer.preserve_labels
    layer.data[ACROSS, ACROSS] = 1
    labels = at_work(layer, "paint", 7, 20, range(5, 40))
    assert (labels[20, ACROSS] == 7).all()
