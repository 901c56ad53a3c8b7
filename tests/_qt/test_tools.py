"""The tools in a real window, by real mouse and keys, on a layer that belongs to no dataset."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hand import Hand, shown_window
from napari import Viewer
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_nucleiseg import edits
from napari_nucleiseg._qt.canvas import keep_from_crashing
from napari_nucleiseg._qt.target import Target
from napari_nucleiseg._qt.tool_list import TOOLS
from napari_nucleiseg._qt.tools import Tools


def disc(y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:96, :128]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def made_labels() -> np.ndarray:
    """Nuclei: 1 and 2 touch, 3 has a waist, 4 a hole, 5 a rough outline."""
    labels = np.zeros((96, 128), np.int32)
    labels[disc(24, 24, 12)] = 1
    labels[disc(24, 46, 11) & (labels == 0)] = 2
    labels[disc(24, 84, 12) | disc(24, 104, 11)] = 3
    labels[disc(70, 24, 13) & ~disc(70, 24, 4)] = 4
    labels[disc(70, 60, 12)] = 5
    labels[57:59:2, 60] = 5
    labels[70, 72:77] = 5
    return labels


def made_image() -> np.ndarray:
    """The nuclei, and one at (70, 100) that has no label."""
    return np.where((made_labels() > 0) | disc(70, 100, 10), 180, 20).astype(np.uint8)


class Bench:
    """A viewer with an image and labels, the tools, and a hand."""

    def __init__(self, viewer: Viewer, layer: Labels) -> None:
        self.viewer, self.layer = viewer, layer
        target = Target(viewer, SimpleNamespace(), SimpleNamespace(labels_layer=None, sample=None))
        self.tools = Tools(viewer, target)
        self.said: list[tuple[str, bool]] = []
        self.tools.said.connect(lambda text, trouble: self.said.append((text, trouble)))
        for tool in TOOLS:
            viewer.bind_key(
                tool.key, lambda viewer, tool=tool: self.tools.press(tool), overwrite=True
            )
        self.hand = Hand(viewer)
        self.before = layer.data.copy()

    def tool(self, name: str):
        return next(tool for tool in TOOLS if tool.name == name)

    def check_one_step(self, expected: np.ndarray) -> None:
        """The labels are as expected; one undo and one redo lead back and forth."""
        assert not np.array_equal(expected, self.before), "the edit is expected to change nothing"
        np.testing.assert_array_equal(self.layer.data, expected, err_msg=str(self.said))
        self.hand.press("Z", ctrl=True)
        np.testing.assert_array_equal(self.layer.data, self.before)
        self.hand.press("Z", ctrl=True)
        np.testing.assert_array_equal(self.layer.data, self.before)
        self.hand.press("Z", ctrl=True, shift=True)
        np.testing.assert_array_equal(self.layer.data, expected)

    def check_nothing_changed(self, text: str) -> None:
        np.testing.assert_array_equal(self.layer.data, self.before)
        assert text in self.said[-1][0]
        assert self.said[-1][1]
        assert text in self.viewer.status


@pytest.fixture(scope="module")
def window(qapp: QApplication) -> Iterator[Viewer]:
    with shown_window() as viewer:
        keep_from_crashing(viewer)
        yield viewer


@pytest.fixture
def bench(window: Viewer) -> Iterator[Bench]:
    window.add_image(made_image(), name="image")
    bench = Bench(window, window.add_labels(made_labels(), name="nuclei"))
    window.reset_view()
    window.mouse_over_canvas = True
    bench.hand.point(48, 64)
    yield bench
    bench.tools.remove()
    window.layers.clear()
    window.dims.ndisplay = 2


# --- each tool


@pytest.mark.parametrize(
    ("key", "shift", "place", "edit"),
    [
        ("D", False, (24, 20), lambda labels: edits.delete(labels, 1)),
        ("K", True, (24, 84), lambda labels: edits.split_at_waist(labels, 3)),
        ("H", False, (60, 24), lambda labels: edits.fill_holes(labels, 4)),
        ("R", False, (70, 60), lambda labels: edits.smooth(labels, 5)),
        (
            "N",
            False,
            (70, 100),
            lambda labels: edits.grow_from_click(labels, (70, 100), image=made_image()),
        ),
    ],
    ids=["delete", "waist", "fill", "smooth", "add"],
)
def test_a_key_acts_on_the_nucleus_under_the_pointer(bench, key, shift, place, edit) -> None:
    bench.hand.use(key, *place, shift=shift)
    bench.check_one_step(edit(bench.before).apply(bench.before))
    assert bench.tools.waiting is None


def test_join_takes_the_next_nucleus_clicked(bench: Bench) -> None:
    bench.hand.use("J", 24, 24)
    assert bench.said[-1] == ("Join: Click the nucleus to join with 1; Esc ends", False)
    assert bench.viewer.status == bench.said[-1][0]
    np.testing.assert_array_equal(bench.layer.data, bench.before)
    bench.hand.click(24, 48)
    bench.check_one_step(edits.merge(bench.before, 1, 2).apply(bench.before))


def test_join_by_its_key_on_both_nuclei(bench: Bench) -> None:
    bench.hand.use("J", 24, 24)
    bench.hand.use("J", 24, 48)
    bench.check_one_step(edits.merge(bench.before, 1, 2).apply(bench.before))


def test_joining_nuclei_that_do_not_touch_warns_of_it(bench: Bench) -> None:
    bench.hand.use("J", 24, 24)
    bench.hand.click(24, 48)
    assert bench.said[-1] == ("Nuclei 1 and 2 joined", False)
    bench.hand.use("J", 24, 84)
    bench.hand.click(70, 60)
    joined = "Nuclei 3 and 5 joined, though they do not touch: Ctrl+Z takes it back"
    assert bench.said[-1] == (joined, True)
    assert {*np.unique(bench.layer.data)} == {0, 1, 3, 4}


def test_a_drawn_line_cuts_where_it_was_drawn(bench: Bench) -> None:
    bench.hand.use("K", 24, 20)
    bench.hand.drag(*[(y, 20) for y in range(8, 41, 2)])
    labels = bench.layer.data.copy()
    left, right = disc(24, 24, 12), disc(24, 24, 12)
    left[:, 21:], right[:, :20] = False, False
    assert {*np.unique(labels)} == {0, 1, 2, 3, 4, 5, 6}
    assert (labels[right & (np.arange(128) > 20)] == 1).all()
    assert (labels[left & (np.arange(128) < 20)] == 6).all()
    np.testing.assert_array_equal(labels > 0, bench.before > 0)
    bench.check_one_step(labels)


def test_a_line_of_clicks_cuts_on_enter(bench: Bench) -> None:
    bench.hand.use("K", 24, 24)
    bench.hand.click(8, 24)
    bench.hand.click(24, 28)
    bench.hand.click(40, 24)
    np.testing.assert_array_equal(bench.layer.data, bench.before)
    bench.hand.press(Qt.Key.Key_Return)
    assert (bench.layer.data == 6).any()
    bench.check_one_step(bench.layer.data.copy())


def test_a_line_of_clicks_cuts_on_a_double_click(bench: Bench) -> None:
    zoom = bench.viewer.scene.camera.zoom
    bench.hand.use("K", 24, 24)
    bench.hand.click(8, 24)
    bench.hand.double_click(40, 24)
    assert {*np.unique(bench.layer.data)} == {0, 1, 2, 3, 4, 5, 6}
    assert bench.viewer.scene.camera.zoom == zoom


def test_the_cut_may_begin_beside_the_nucleus(bench: Bench) -> None:
    bench.hand.use("K", 52, 60)
    bench.hand.drag((52, 60), (60, 60), (70, 60), (88, 60))
    assert {*np.unique(bench.layer.data[bench.before == 5])} == {5, 6}, bench.said


# --- nothing there


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool.name not in ("add", "cut")])
def test_with_nothing_under_the_pointer_a_tool_says_so(bench: Bench, tool) -> None:
    bench.hand.point(90, 5)
    bench.hand.press(tool.key[-1], shift="Shift" in tool.key)
    bench.check_nothing_changed("no nucleus under the pointer")
    assert bench.tools.waiting is None


def test_add_on_a_nucleus_and_on_empty_ground_says_so(bench: Bench) -> None:
    bench.hand.use("N", 24, 24)
    bench.check_nothing_changed("Nucleus 1 is here already")
    bench.hand.use("N", 48, 8)
    bench.check_nothing_changed("Nothing stands out")


def test_off_the_canvas_a_tool_says_so(bench: Bench) -> None:
    bench.viewer.mouse_over_canvas = False
    bench.hand.press("D")
    bench.check_nothing_changed("Point at a nucleus in the image, then press D")


def test_a_nucleus_without_holes_is_left_alone(bench: Bench) -> None:
    bench.hand.use("H", 24, 24)
    bench.check_nothing_changed("no holes")
    assert not bench.layer._undo_history


def test_a_second_click_on_nothing_keeps_the_tool_waiting(bench: Bench) -> None:
    bench.hand.use("J", 24, 24)
    bench.hand.click(90, 5)
    bench.check_nothing_changed("no nucleus under the pointer")
    bench.hand.click(24, 48)
    assert (bench.layer.data == 2).sum() == 0


def test_a_line_beside_the_nucleus_can_be_drawn_again(bench: Bench) -> None:
    bench.hand.use("K", 52, 60)
    bench.hand.drag((48, 60), (49, 70))
    bench.check_nothing_changed("crosses no nucleus")
    bench.hand.drag((52, 60), (60, 60), (70, 60), (88, 60))
    assert (bench.layer.data == 6).any()


# --- leaving


@pytest.mark.parametrize("key", ["J", "K"])
def test_escape_leaves_a_tool_without_a_change(bench: Bench, key: str) -> None:
    bench.layer.mode = "paint"
    bench.layer.selected_label = 77
    bench.hand.use(key, 24, 24)
    assert bench.layer.mode == "pan_zoom"
    bench.hand.press(Qt.Key.Key_Escape)
    assert bench.tools.waiting is None
    np.testing.assert_array_equal(bench.layer.data, bench.before)
    assert bench.layer.mode == "paint"
    bench.hand.click(90, 5)
    assert bench.layer.data[90, 5] == 77


def test_escape_in_the_middle_of_a_line(bench: Bench) -> None:
    center = bench.viewer.scene.camera.center
    bench.hand.use("K", 24, 24)
    bench.hand.begin_drag((8, 24), (20, 24), (30, 24))
    bench.hand.press(Qt.Key.Key_Escape)
    bench.hand.end_drag(40, 24)
    np.testing.assert_array_equal(bench.layer.data, bench.before)
    assert bench.viewer.scene.camera.center == center


def test_choosing_the_brush_leaves_a_tool(bench: Bench) -> None:
    bench.hand.use("J", 24, 24)
    bench.hand.press("P")
    assert bench.tools.waiting is None
    assert bench.layer.mode == "paint"


def test_selecting_another_layer_leaves_a_tool(bench: Bench) -> None:
    bench.hand.use("J", 24, 24)
    bench.viewer.layers.selection.active = bench.viewer.layers["image"]
    assert bench.tools.waiting is None
    bench.hand.click(24, 48)
    np.testing.assert_array_equal(bench.layer.data, bench.before)


def test_deleting_the_layer_leaves_a_tool(bench: Bench) -> None:
    bench.hand.use("J", 24, 24)
    bench.viewer.layers.remove(bench.layer)
    assert bench.tools.waiting is None
    bench.hand.press("D")
    assert "No Labels layer" in bench.viewer.status


def test_napari_has_its_keys_and_clicks_back_after_a_tool(bench: Bench) -> None:
    keys, clicks = dict(bench.layer.keymap), list(bench.viewer.mouse_double_click_callbacks)
    drags = list(bench.viewer.mouse_drag_callbacks)
    bench.hand.use("J", 24, 24)
    bench.hand.click(24, 48)
    assert bench.layer.keymap == keys
    assert bench.viewer.mouse_double_click_callbacks == clicks
    assert bench.viewer.mouse_drag_callbacks == drags
    zoom = bench.viewer.scene.camera.zoom
    bench.hand.double_click(24, 48)
    assert bench.viewer.scene.camera.zoom == 2 * zoom


def test_double_clicks_of_another_plugin_outlive_a_tool(bench: Bench) -> None:
    heard = []

    def before(viewer: Viewer, event: Any) -> None:
        heard.append("before")

    def during(viewer: Viewer, event: Any) -> None:
        heard.append("during")

    bench.viewer.mouse_double_click_callbacks.append(before)
    bench.hand.use("J", 24, 24)
    bench.viewer.mouse_double_click_callbacks.append(during)
    bench.hand.double_click(110, 110)
    assert heard == ["before", "during"]
    bench.hand.click(24, 48)
    bench.hand.double_click(110, 110)
    assert heard == ["before", "during"] * 2
    for each in (before, during):
        bench.viewer.mouse_double_click_callbacks.remove(each)


def test_one_key_ends_the_tool_of_another(bench: Bench) -> None:
    bench.hand.use("J", 24, 24)
    bench.hand.use("D", 70, 60)
    assert bench.tools.waiting is None
    bench.check_one_step(edits.delete(bench.before, 5).apply(bench.before))


# --- by button


def test_an_armed_tool_acts_on_every_click_until_escape(bench: Bench) -> None:
    bench.tools.arm(bench.tool("delete"))
    bench.hand.click(24, 24)
    bench.hand.click(24, 48)
    assert {*np.unique(bench.layer.data)} == {0, 3, 4, 5}
    bench.hand.press(Qt.Key.Key_Escape)
    bench.hand.click(70, 60)
    assert (bench.layer.data == 5).any()


def test_quick_clicks_all_count(bench: Bench) -> None:
    zoom = bench.viewer.scene.camera.zoom
    bench.tools.arm(bench.tool("delete"))
    bench.hand.double_click(24, 24)
    bench.hand.double_click(70, 60)
    assert {*np.unique(bench.layer.data)} == {0, 2, 3, 4}
    assert bench.viewer.scene.camera.zoom == zoom


def test_a_drag_moves_the_image_while_a_tool_waits(bench: Bench) -> None:
    bench.tools.arm(bench.tool("delete"))
    center = bench.viewer.scene.camera.center
    bench.hand.drag((24, 24), (30, 30), (40, 40))
    np.testing.assert_array_equal(bench.layer.data, bench.before)
    assert bench.viewer.scene.camera.center != center


def test_armed_twice_is_not_armed(bench: Bench) -> None:
    bench.tools.arm(bench.tool("delete"))
    bench.tools.arm(bench.tool("delete"))
    assert bench.tools.waiting is None


# --- where


def test_a_key_works_while_the_image_is_selected(bench: Bench) -> None:
    bench.viewer.layers.selection.active = bench.viewer.layers["image"]
    bench.hand.use("D", 24, 24)
    np.testing.assert_array_equal(
        bench.layer.data, edits.delete(bench.before, 1).apply(bench.before)
    )


def test_a_key_acts_where_the_pointer_is_after_the_camera_moved(bench: Bench) -> None:
    bench.hand.point(24, 24)
    camera = bench.viewer.scene.camera
    camera.center = (camera.center[-2] + 46, camera.center[-1] + 36)
    bench.hand.press("D")
    np.testing.assert_array_equal(
        bench.layer.data, edits.delete(bench.before, 5).apply(bench.before)
    )


def test_a_hidden_layer_is_left_alone(bench: Bench) -> None:
    bench.layer.visible = False
    bench.hand.use("D", 24, 24)
    bench.check_nothing_changed("“nuclei” is hidden")


def test_a_locked_layer_is_left_alone(bench: Bench) -> None:
    bench.layer.editable = False
    bench.hand.use("D", 24, 24)
    bench.check_nothing_changed("“nuclei” cannot be edited")


def test_nothing_happens_in_3d(bench: Bench) -> None:
    bench.viewer.dims.ndisplay = 3
    bench.hand.use("D", 24, 24)
    bench.check_nothing_changed("The view is in 3D")


def test_a_plane_of_a_stack_is_corrected(bench: Bench) -> None:
    stack = np.stack([bench.before, bench.before[::-1]])
    layer = bench.viewer.add_labels(stack.copy(), name="stack")
    bench.viewer.dims.set_current_step(0, 1)
    bench.hand.use("D", 95 - 24, 24)
    expected = stack.copy()
    expected[1][expected[1] == 1] = 0
    np.testing.assert_array_equal(layer.data, expected)
    bench.hand.press("Z", ctrl=True)
    np.testing.assert_array_equal(layer.data, stack)


def test_small_types_are_never_wrapped_round(bench: Bench) -> None:
    full = np.where(bench.before == 5, 255, bench.before).astype(np.uint8)
    layer = bench.viewer.add_labels(full.copy(), name="bytes")
    bench.hand.use("K", 24, 84, shift=True)
    np.testing.assert_array_equal(layer.data, full)
    assert "holds ids up to 255" in bench.viewer.status


def test_no_key_is_taken_from_napari(bench: Bench) -> None:
    from napari.utils.key_bindings import coerce_keybinding

    handler = bench.viewer.window._qt_viewer.canvas._key_map_handler
    ours = {coerce_keybinding(tool.key) for tool in TOOLS}
    for name in ("nuclei", "image"):
        bench.viewer.layers.selection.active = bench.viewer.layers[name]
        for key in ours:
            assert handler.active_keymap[key].__self__ is bench.viewer
