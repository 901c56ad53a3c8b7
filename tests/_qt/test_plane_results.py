from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from squares import squares

from napari_nucleiseg._qt.image_plane import ImagePlane, shown_plane
from napari_nucleiseg._qt.plane_results import PlaneResults

ONE = squares((60, 80), (10, 10), (30, 50))
OTHER = squares((60, 80), (10, 12))


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def results(viewer: ViewerModel) -> PlaneResults:
    return PlaneResults(viewer)


def plane_of(viewer: Any, layer: Any, channel: int | None = None) -> ImagePlane:
    return shown_plane(viewer, layer, channel)


def test_labels_lie_where_the_image_lies(viewer: ViewerModel, results: PlaneResults) -> None:
    turned = np.array([[0.8, -0.6, 5], [0.6, 0.8, 7], [0, 0, 1]])
    layer = viewer.add_image(np.zeros((60, 80)), name="x", scale=(2, 3), affine=turned)
    results.show(plane_of(viewer, layer), ONE)
    shown = viewer.layers["x nuclei"]
    assert np.array_equal(shown.data, ONE)
    for point in [(0, 0), (7, 11)]:
        assert np.allclose(shown.data_to_world(point), layer.data_to_world(point))


def test_each_plane_of_a_stack_fills_its_own_slice(
    viewer: ViewerModel, results: PlaneResults
) -> None:
    layer = viewer.add_image(np.zeros((4, 60, 80)), name="stack")
    for place, labels in ((1, ONE), (3, OTHER)):
        viewer.dims.set_point(0, place)
        results.show(plane_of(viewer, layer), labels)
    shown = viewer.layers["stack nuclei"]
    assert len(viewer.layers) == 2
    assert np.array_equal(shown.data[1] > 0, ONE > 0)
    assert np.array_equal(shown.data[3] > 0, OTHER > 0)
    assert not shown.data[[0, 2]].any()


def test_a_hand_keeps_what_it_drew_and_erased(viewer: ViewerModel, results: PlaneResults) -> None:
    layer = viewer.add_image(np.zeros((60, 80)), name="x")
    results.show(plane_of(viewer, layer), ONE)
    shown = viewer.layers["x nuclei"]
    shown.data_setitem((np.array([50, 51]), np.array([5, 5])), 9)
    shown.data_setitem(np.nonzero(ONE == 2), 0)
    results.show(plane_of(viewer, layer), ONE)
    assert set(np.unique(shown.data)) == {0, 1, 9}
    # Another channel of it is the same plane.
    results.show(plane_of(viewer, layer, channel=1), ONE)
    assert set(np.unique(shown.data)) == {0, 1, 9}
    shown.undo()
    assert set(np.unique(shown.data)) == {0, 1, 2, 9}


def test_what_was_drawn_before_a_plane_was_segmented_stays(
    viewer: ViewerModel, results: PlaneResults
) -> None:
    layer = viewer.add_image(np.zeros((2, 60, 80)), name="stack")
    viewer.dims.set_point(0, 0)
    results.show(plane_of(viewer, layer), ONE)
    shown = viewer.layers["stack nuclei"]
    shown.data_setitem((np.array([1]), np.array([50]), np.array([5])), 9)
    viewer.dims.set_point(0, 1)
    results.show(plane_of(viewer, layer), ONE)
    assert shown.data[1, 50, 5] == 9
    assert len(np.unique(shown.data[1])) == 4


def test_a_deleted_layer_is_made_again(viewer: ViewerModel, results: PlaneResults) -> None:
    layer = viewer.add_image(np.zeros((60, 80)), name="x")
    results.show(plane_of(viewer, layer), ONE)
    viewer.layers.remove("x nuclei")
    results.show(plane_of(viewer, layer), OTHER)
    assert np.array_equal(viewer.layers["x nuclei"].data, OTHER)


def test_labels_of_an_image_that_was_deleted_are_still_shown(
    viewer: ViewerModel, results: PlaneResults
) -> None:
    plane = plane_of(viewer, viewer.add_image(np.zeros((60, 80)), name="x"))
    viewer.layers.clear()
    results.show(plane, ONE)
    assert np.array_equal(viewer.layers["x nuclei"].data, ONE)


def test_maps_are_those_of_the_plane_and_channel_segmented_last(
    viewer: ViewerModel, results: PlaneResults
) -> None:
    layer = viewer.add_image(np.zeros((2, 60, 80)))
    first = plane_of(viewer, layer)
    maps = np.zeros((60, 80, 3), np.uint8)
    results.keep_maps(first, maps)
    assert results.maps(plane_of(viewer, layer)) is maps
    assert results.maps(plane_of(viewer, layer, channel=0)) is None
    viewer.dims.set_point(0, 0 if viewer.dims.point[0] else 1)
    assert results.maps(plane_of(viewer, layer)) is None
    results.drop_maps()
    assert results.maps(first) is None
