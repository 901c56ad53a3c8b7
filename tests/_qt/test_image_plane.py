from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from napari import Viewer
from napari.components import ViewerModel

from napari_nucleiseg._qt.image_plane import shown_plane
from napari_nucleiseg.errors import BadInput

rng = np.random.default_rng(0)


@pytest.fixture
def viewer() -> Viewer:
    return ViewerModel()  # no window is needed to choose a plane


def test_a_2d_image_is_its_own_plane(viewer: Viewer) -> None:
    data = rng.integers(0, 255, (20, 30), np.uint8)
    plane = shown_plane(viewer, viewer.add_image(data))
    assert np.array_equal(plane.read(), data)
    assert plane.grid == (20, 30)


def test_what_is_read_does_not_follow_the_layer(viewer: Viewer) -> None:
    layer = viewer.add_image(np.zeros((20, 30)))
    pixels = shown_plane(viewer, layer).read()
    layer.data[:] = 1
    assert not pixels.any()


@pytest.mark.parametrize("alpha", [False, True])
def test_colour_and_one_of_its_channels(viewer: Viewer, alpha: bool) -> None:
    data = rng.integers(0, 255, (20, 30, 3 + alpha), np.uint8)
    layer = viewer.add_image(data, rgb=True)
    assert np.array_equal(shown_plane(viewer, layer).read(), data[..., :3])
    assert np.array_equal(shown_plane(viewer, layer, channel=1).read(), data[..., 1])
    assert shown_plane(viewer, layer).grid == (20, 30)


def test_the_sliders_choose_the_plane_of_a_stack(viewer: Viewer) -> None:
    data = rng.random((4, 5, 20, 30))
    layer = viewer.add_image(data, scale=(2, 1, 1, 1))
    viewer.dims.set_point((0, 1), (6, 2))
    plane = shown_plane(viewer, layer)
    assert np.array_equal(plane.read(), data[3, 2])
    assert np.array_equal(data[plane.index], data[3, 2])


def test_a_flat_layer_beside_a_stack(viewer: Viewer) -> None:
    viewer.add_image(np.zeros((4, 20, 30)))
    data = rng.random((20, 30))
    layer = viewer.add_image(data)
    viewer.dims.set_point(0, 3)
    assert np.array_equal(shown_plane(viewer, layer).read(), data)


def test_a_stack_seen_from_the_side(viewer: Viewer) -> None:
    data = rng.random((4, 20, 30))
    layer = viewer.add_image(data)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(1, 7)
    assert np.array_equal(shown_plane(viewer, layer).read(), data[:, 7])


def test_of_several_scales_the_finest_is_read(viewer: Viewer) -> None:
    fine = rng.random((64, 64))
    layer = viewer.add_image([fine, fine[::2, ::2]], multiscale=True)
    assert np.array_equal(shown_plane(viewer, layer).read(), fine)


def in_3d(viewer: Viewer) -> None:
    viewer.dims.ndisplay = 3


def outside(viewer: Viewer) -> None:
    viewer.add_image(np.zeros((9, 20, 30)))
    viewer.dims.set_point(0, 7)


@pytest.mark.parametrize(("spoil", "words"), [(in_3d, "3D"), (outside, "no plane")])
def test_without_a_plane_on_show_the_remedy_is_told(
    viewer: Viewer, spoil: Callable[[Viewer], None], words: str
) -> None:
    layer = viewer.add_image(np.zeros((4, 20, 30)))
    spoil(viewer)
    with pytest.raises(BadInput, match=words):
        shown_plane(viewer, layer)
