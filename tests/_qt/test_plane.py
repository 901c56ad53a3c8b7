"""The plane on display: of images, stacks, turned and scaled layers. No window is opened."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_nucleiseg._qt.plane import displayed_plane
from napari_nucleiseg.edits import Edit
from napari_nucleiseg.errors import BadInput


def stack() -> np.ndarray:
    """(4, 6, 8) with one nucleus on each plane, 1 to 4."""
    labels = np.zeros((4, 6, 8), np.int32)
    for z in range(4):
        labels[z, 1:3, 1:4] = z + 1
    return labels


def one_pixel(row: int, column: int, value: int) -> Edit:
    return Edit((np.array([row]), np.array([column])), np.array([value]))


def test_an_image_is_its_own_plane() -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(np.arange(12).reshape(3, 4))
    plane = displayed_plane(viewer, layer)
    np.testing.assert_array_equal(plane.pixels, layer.data)
    assert plane.shape == (3, 4)


def test_scale_and_place_are_taken_into_account() -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(np.zeros((10, 10), int), scale=(0.5, 2.0), translate=(100, 200))
    plane = displayed_plane(viewer, layer)
    assert plane.pixel((101.0, 206.0)) == pytest.approx((2, 3))
    world = plane.displayed_world(np.array([(2, 3), (0, 9)]))
    np.testing.assert_allclose(world, [(101, 206), (100, 218)])


def test_of_a_stack_the_plane_on_display_is_seen_and_changed() -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(stack())
    viewer.dims.set_current_step(0, 2)
    plane = displayed_plane(viewer, layer)
    np.testing.assert_array_equal(plane.pixels, stack()[2])
    plane.write(one_pixel(1, 1, 0))
    expected = stack()
    expected[2, 1, 1] = 0
    np.testing.assert_array_equal(layer.data, expected)
    layer.undo()
    np.testing.assert_array_equal(layer.data, stack())


def test_a_turned_stack_is_edited_where_it_is_seen() -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(stack())
    viewer.dims.order = (1, 2, 0)  # planes of constant row, seen with columns going down
    viewer.dims.set_current_step(1, 2)
    plane = displayed_plane(viewer, layer)
    np.testing.assert_array_equal(plane.pixels, stack()[:, 2, :])
    assert plane.pixel((3.0, 2.0, 5.0)) == (3.0, 5.0)
    np.testing.assert_allclose(plane.displayed_world(np.array([(3.0, 5.0)])), [(5.0, 3.0)])
    plane.write(one_pixel(3, 1, 9))
    assert layer.data[3, 2, 1] == 9


def test_a_new_id_is_new_in_the_whole_stack() -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(stack())
    viewer.dims.set_current_step(0, 0)
    displayed_plane(viewer, layer).write(one_pixel(5, 5, 2))
    assert layer.data[0, 5, 5] == 5


def test_ids_that_do_not_fit_the_layers_type_are_refused() -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(np.full((4, 4), 255, np.uint8), name="small")
    with pytest.raises(BadInput, match="“small” holds ids up to 255"):
        displayed_plane(viewer, layer).write(one_pixel(0, 0, 256))
    assert (layer.data == 255).all()


def test_a_view_in_3d_is_refused() -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(stack())
    viewer.dims.ndisplay = 3
    with pytest.raises(BadInput, match="3D"):
        displayed_plane(viewer, layer)


def test_several_scales_are_refused() -> None:
    viewer = ViewerModel()
    layer = Labels([np.zeros((8, 8), int), np.zeros((4, 4), int)], multiscale=True)
    viewer.add_layer(layer)
    with pytest.raises(BadInput, match="several scales"):
        displayed_plane(viewer, layer)


def test_beside_the_stack_there_is_no_plane() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 6, 8)))
    layer = viewer.add_labels(stack())
    viewer.dims.set_current_step(0, 7)
    with pytest.raises(BadInput, match="no plane here"):
        displayed_plane(viewer, layer)


def test_a_flat_layer_seen_from_the_side_is_refused() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 6, 8)))
    layer = viewer.add_labels(np.zeros((6, 8), int))
    viewer.dims.order = (1, 0, 2)
    with pytest.raises(BadInput, match="from the side"):
        displayed_plane(viewer, layer)
