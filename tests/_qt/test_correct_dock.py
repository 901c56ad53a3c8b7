"""The Correct dock in a real window, by mouse and keys, on samples and on any Labels layer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hand import Hand, shown_window
from napari import Viewer
from napari.layers import Labels
from napari.utils.notifications import notification_manager
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel, QWidget
from squares import EDGE, squares, write_sample

from napari_nucleiseg import edits, session
from napari_nucleiseg._qt import layers
from napari_nucleiseg._qt.canvas import main_window
from napari_nucleiseg._qt.correct_dock import CorrectDock
from napari_nucleiseg._qt.tool_list import TOOLS
from napari_nucleiseg.state import Status

LABELS = squares((EDGE, EDGE), (10, 10), (50, 50), (90, 80))
LABELS[58:62, 58:62] = 0  # a hole in the second


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two samples with masks, the second turned upside down."""
    for name, labels in (("a", LABELS), ("b", LABELS[::-1])):
        write_sample(tmp_path / "squares" / name, labels, masks=True)
    return tmp_path / "squares"


@pytest.fixture(scope="module")
def window(qapp: QApplication) -> Iterator[Viewer]:
    with shown_window() as viewer:
        main_window(viewer).resize(1280, 800)
        yield viewer


class Desk:
    """The dock in a window, the layers of its session, and a hand."""

    def __init__(self, viewer: Viewer, qtbot: QtBot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.dock = CorrectDock(viewer)
        self.docked = viewer.window.add_dock_widget(self.dock, name="Correct", area="right")
        self.layers = layers.layers_for(viewer)
        self.session = self.layers.session
        self.hand = Hand(viewer)
        QTest.qWait(100)

    @property
    def layer(self) -> Labels:
        layer = self.layers.labels_layer
        assert layer is not None
        return layer

    def open(self, folder: Path) -> None:
        self.session.open_dataset(folder)
        self.show("a")

    def show(self, sample_id: str) -> None:
        self.session.select(sample_id)
        self.wait(sample_id)

    def wait(self, sample_id: str) -> None:
        self.qtbot.waitUntil(
            lambda: (
                self.layers.labels_layer is not None
                and self.layers.sample is self.session[sample_id]
            ),
            timeout=10_000,
        )
        QTest.qWait(300)

    def click(self, widget: QWidget) -> None:
        self.qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)

    def button(self, name: str) -> QWidget:
        return next(b for tool, b in self.dock.tool_grid.buttons.items() if tool.name == name)


@pytest.fixture
def desk(window: Viewer, qtbot: QtBot) -> Iterator[Desk]:
    desk = Desk(window, qtbot)
    yield desk
    desk.layers.saving.finish()
    desk.session.pending.clear()
    desk.session.close_dataset()
    window.window.remove_dock_widget("all")
    window.layers.clear()
    session._sessions.pop(window)
    layers._layers.pop(window, None)
    QApplication.sendPostedEvents()
    QApplication.processEvents()


# --- samples


def test_an_edit_by_key_is_touched_unsaved_and_undone(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    assert desk.dock.save_row.text.text() == "Annotated: a", "its masks came with it"
    before = desk.layer.data.copy()
    desk.hand.use("H", 55, 55)
    expected = edits.fill_holes(before, 2).apply(before)
    np.testing.assert_array_equal(desk.layer.data, expected)
    assert desk.layers.draft.touched == {2}
    assert desk.layers.draft.unsaved
    assert desk.dock.save_row.text.text() == "Not saved yet: a"
    desk.hand.press("Z", ctrl=True)
    np.testing.assert_array_equal(desk.layer.data, before)
    assert desk.layers.draft.touched == set()
    assert not desk.layers.draft.unsaved
    desk.hand.press("Z", ctrl=True, shift=True)
    np.testing.assert_array_equal(desk.layer.data, expected)
    assert desk.layers.draft.touched == {2}


def test_the_parts_of_a_cut_and_the_whole_of_a_join_are_touched(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.hand.use("K", 20, 20)
    desk.hand.drag(*[(y, 20) for y in range(4, 37, 4)])
    assert desk.layers.draft.touched == {1, 4}
    desk.hand.use("J", 100, 90)
    desk.hand.click(55, 55)
    assert desk.layers.draft.touched == {1, 3, 4}
    assert {*np.unique(desk.layer.data)} == {0, 1, 3, 4}


def test_what_was_corrected_is_saved_and_read_again(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.hand.use("D", 20, 20)
    desk.hand.use("H", 55, 55)
    corrected = desk.layer.data.copy()
    desk.click(desk.dock.save_row.save)
    desk.qtbot.waitUntil(lambda: not desk.layers.draft.unsaved, timeout=10_000)
    assert desk.dock.save_row.text.text() == "Corrected: a"
    desk.show("b")
    desk.show("a")
    np.testing.assert_array_equal(desk.layer.data, corrected)


def test_a_long_name_of_an_image_is_shortened_with_a_sign_of_it(desk: Desk, tmp_path: Path) -> None:
    name = "0bf33d3db4282d918ec3da7112d0bf0427d4eafe74b3ee0bb419770eefe8d7d6"
    write_sample(tmp_path / "long" / name, LABELS, masks=True)
    desk.session.open_dataset(tmp_path / "long")
    desk.show(name)
    text = desk.dock.save_row.text
    assert text.text() == text.toolTip() == f"Annotated: {name}"
    assert "…" in QLabel.text(text)
    assert QLabel.text(text).endswith("d7d6")


def test_undo_never_reaches_another_image(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.hand.use("D", 20, 20)
    desk.hand.use("D", 55, 55)
    desk.hand.press("W")
    desk.wait("b")
    before = desk.layer.data.copy()
    for _ in range(3):
        desk.hand.press("Z", ctrl=True)
    desk.click(desk.dock.undo)
    np.testing.assert_array_equal(desk.layer.data, before)
    assert not desk.layers.draft.unsaved


def test_a_tool_that_waits_ends_with_its_image(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.hand.use("J", 20, 20)
    desk.show("b")
    assert desk.dock.tools.waiting is None
    before = desk.layer.data.copy()
    desk.hand.click(55, 55)
    np.testing.assert_array_equal(desk.layer.data, before)


def test_add_asks_the_maps_first(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.hand.use("D", 20, 20)
    maps = np.zeros((EDGE, EDGE, 3), np.uint8)
    maps[12:22, 12:22, :2] = 255
    desk.session.keep_maps("a", maps)
    before = desk.layer.data.copy()
    desk.hand.use("N", 17, 17)
    expected = edits.grow_from_click(before, (17, 17), maps=maps, image=None).apply(before)
    np.testing.assert_array_equal(desk.layer.data, expected)
    assert (expected == 4).sum() < 200


def test_add_finds_a_nucleus_in_the_image_where_there_are_no_maps(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.hand.use("D", 20, 20)
    desk.hand.use("N", 17, 17)
    added = desk.layer.data == 4
    np.testing.assert_array_equal(added[11:29, 11:29], True)
    assert added.sum() < 1.3 * 400


def test_approve_is_written_and_leads_on(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.click(desk.dock.save_row.approve)
    desk.wait("b")
    desk.qtbot.waitUntil(lambda: not desk.layers.saving.is_busy, timeout=10_000)
    assert desk.session.states["a"].status is Status.APPROVED


# --- doubts


def test_the_doubts_of_a_sample_are_listed_and_followed(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.qtbot.waitUntil(lambda: len(desk.dock.doubts.doubts) == 1, timeout=10_000)
    view = desk.dock.doubts.view
    place = view.visualRect(desk.dock.doubts.model.index(0, 0)).center()
    zoom = desk.viewer.scene.camera.zoom
    desk.qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert desk.viewer.scene.camera.zoom > zoom
    assert desk.viewer.scene.camera.center[-2:] == pytest.approx((59.5, 59.5))
    assert desk.layer.selected_label == 2
    assert "hole of 16 px²" in desk.viewer.status
    desk.hand.use("H", 55, 55)
    desk.qtbot.waitUntil(lambda: not desk.dock.doubts.doubts, timeout=10_000)
    desk.hand.press("Z", ctrl=True)
    desk.qtbot.waitUntil(lambda: len(desk.dock.doubts.doubts) == 1, timeout=10_000)


def test_doubts_by_key(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.qtbot.waitUntil(lambda: len(desk.dock.doubts.doubts) == 1, timeout=10_000)
    desk.hand.press("T")
    assert "No doubt is chosen" in desk.dock.message.text()
    desk.hand.press("G")
    assert desk.layer.selected_label == 2
    desk.hand.press("T")
    assert desk.dock.doubts.doubts == ()
    desk.hand.press("G", shift=True)
    assert desk.dock.message.text() == "No doubtful nuclei"
    desk.show("b")
    desk.show("a")
    QTest.qWait(1000)
    assert desk.dock.doubts.doubts == ()


def test_a_doubt_that_was_dismissed_comes_back(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.qtbot.waitUntil(lambda: len(desk.dock.doubts.doubts) == 1, timeout=10_000)
    desk.hand.press("T", shift=True)
    assert "was taken off the list" in desk.dock.message.text()
    doubts = desk.dock.doubts.doubts
    desk.hand.press("G")
    desk.hand.press("T")
    assert desk.dock.doubts.doubts == ()
    desk.hand.press("T", shift=True)
    assert desk.dock.doubts.doubts == doubts
    assert desk.dock.doubts.current == doubts[0]
    assert "hole of 16 px²" in desk.dock.message.text()
    desk.hand.press("T")
    desk.show("b")
    desk.show("a")
    desk.qtbot.waitUntil(desk.dock.doubts.back.isEnabled, timeout=10_000)
    assert desk.dock.doubts.doubts == ()
    desk.click(desk.dock.doubts.back)
    assert desk.dock.doubts.doubts == doubts
    assert not desk.dock.doubts.back.isEnabled()


def test_after_a_doubt_the_keys_act_where_the_pointer_is_now(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.qtbot.waitUntil(lambda: len(desk.dock.doubts.doubts) == 1, timeout=10_000)
    canvas = desk.hand.canvas
    QTest.mouseMove(canvas, canvas.rect().center())
    QTest.qWait(30)
    desk.hand.press("G")
    desk.hand.press("H")
    assert (desk.layer.data[50:70, 50:70] == 2).all()


# --- what the dock shows


def test_a_button_makes_its_tool_wait_and_shows_it(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.click(desk.button("delete"))
    assert desk.button("delete").isChecked()
    assert desk.dock.message.text() == "Delete: Click the nucleus to delete; Esc ends"
    desk.hand.click(20, 20)
    assert desk.dock.message.text() == "Nucleus 1 deleted"
    assert desk.button("delete").isChecked()
    desk.hand.press(Qt.Key.Key_Escape)
    assert not desk.button("delete").isChecked()
    assert desk.dock.message.text().startswith("Point at a nucleus")


def test_trouble_is_marked(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.hand.use("D", 120, 10)
    assert desk.dock.message.text().startswith("⚠ There is no nucleus")


def test_undo_and_redo_by_button(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    before = desk.layer.data.copy()
    desk.hand.use("D", 20, 20)
    after = desk.layer.data.copy()
    desk.click(desk.dock.undo)
    np.testing.assert_array_equal(desk.layer.data, before)
    desk.click(desk.dock.redo)
    np.testing.assert_array_equal(desk.layer.data, after)


@pytest.mark.parametrize("way", ["undo", "stroke"])
def test_what_was_said_of_the_labels_goes_when_they_change(
    desk: Desk, folder: Path, way: str
) -> None:
    desk.open(folder)
    rest = desk.dock.message.text()
    desk.hand.use("D", 20, 20)
    assert desk.dock.message.text() == "Nucleus 1 deleted"
    if way == "undo":
        desk.hand.press("Z", ctrl=True)
    else:
        desk.layer.mode = "paint"
        desk.hand.drag((20, 20), (24, 24))
    assert desk.dock.message.text() == rest
    assert "deleted" not in desk.viewer.status


def test_an_armed_tool_asks_again_after_undo(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.click(desk.button("delete"))
    asked = desk.dock.message.text()
    desk.hand.click(20, 20)
    assert desk.dock.message.text() == "Nucleus 1 deleted"
    desk.hand.press("Z", ctrl=True)
    assert desk.dock.message.text() == asked


def test_with_nothing_to_undo_it_says_so(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    desk.click(desk.dock.undo)
    assert "Nothing to undo" in desk.dock.message.text()
    assert "since this image was opened" in desk.dock.undo.toolTip()


def test_undo_by_key_while_the_image_is_selected(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    before = desk.layer.data.copy()
    desk.viewer.layers.selection.active = desk.layers.image_layer
    desk.hand.use("D", 20, 20)
    after = desk.layer.data.copy()
    assert (before != after).any()
    desk.hand.press("Z", ctrl=True)
    np.testing.assert_array_equal(desk.layer.data, before)
    desk.hand.press("Z", ctrl=True, shift=True)
    np.testing.assert_array_equal(desk.layer.data, after)


def test_undo_by_key_is_one_step_while_the_labels_are_selected(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    for place in ((20, 20), (55, 55)):
        desk.hand.use("D", *place)
    desk.hand.press("Z", ctrl=True)
    np.testing.assert_array_equal(desk.layer.data, np.where(LABELS == 1, 0, LABELS))
    desk.hand.press("Z", ctrl=True, shift=True)
    np.testing.assert_array_equal(desk.layer.data, np.where(LABELS == 3, LABELS, 0))


def test_an_image_of_ones_own_keeps_the_labels_below_it_from_change(
    desk: Desk, folder: Path
) -> None:
    desk.open(folder)
    before = desk.layer.data.copy()
    desk.viewer.add_image(np.zeros((EDGE, EDGE), np.uint8), name="one")
    desk.hand.use("D", 20, 20)
    np.testing.assert_array_equal(desk.layer.data, before)
    assert "“one” has no labels; segment it, or select “nuclei”." in desk.dock.message.text()
    with notification_manager:
        said = len(notification_manager.records)
        desk.hand.press("A")
        QTest.qWait(100)
        assert "select “nuclei” to approve" in notification_manager.records[said].message
    assert desk.session.sample.id == "a"
    assert desk.session.state_of(desk.session["a"]).status is not Status.APPROVED
    desk.viewer.layers.selection.active = desk.layers.image_layer
    desk.hand.use("D", 20, 20)
    assert (desk.layer.data != before).any()
    desk.hand.press("A")
    desk.wait("b")
    assert desk.session.state_of(desk.session["a"]).status is Status.APPROVED


def test_without_labels_it_says_what_to_do(desk: Desk) -> None:
    assert desk.dock.title.text().startswith("Open a sample")
    assert not any(button.isEnabled() for button in desk.dock.tool_grid.buttons.values())
    assert desk.dock.keys.isEnabled()
    assert not desk.dock.save_row.isVisible()
    desk.hand.use("D", 20, 20)
    assert "No Labels layer" in desk.dock.message.text()


def test_the_card_opens_by_its_key_and_button(desk: Desk) -> None:
    QApplication.setActiveWindow(main_window(desk.viewer))
    QTest.keyClick(desk.hand.canvas, "?")
    assert desk.dock.card.isVisible()
    desk.click(desk.dock.keys)
    assert not desk.dock.card.isVisible()


def test_everything_fits_a_small_screen(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    assert desk.dock.width() <= 330
    for widget in desk.dock.findChildren(QWidget):
        if widget.isVisible() and widget.parent() is not None and not widget.isWindow():
            assert widget.width() >= widget.minimumSizeHint().width(), widget
    assert not desk.dock.verticalScrollBar().isVisible()
    # With a tab bar below, as where the docks lie on one another, there is less room.
    assert desk.dock.widget().sizeHint().height() <= 690


# --- any Labels layer


def test_the_tools_work_on_a_layer_of_no_dataset(desk: Desk) -> None:
    desk.viewer.add_image(np.where(LABELS > 0, 200, 20).astype(np.uint8))
    layer = desk.viewer.add_labels(np.where(LABELS == 1, 0, LABELS), name="mine")
    desk.viewer.reset_view()
    QTest.qWait(50)
    assert "mine" in desk.dock.title.text()
    assert not desk.dock.save_row.isVisible()
    desk.hand.use("N", 20, 20)
    assert (layer.data[12:28, 12:28] == 4).all()
    desk.hand.use("H", 55, 55)
    assert (layer.data[50:70, 50:70] == 2).all()
    desk.qtbot.waitUntil(lambda: desk.dock.doubts.doubts == (), timeout=10_000)
    for _ in range(2):
        desk.hand.press("Z", ctrl=True)
    np.testing.assert_array_equal(layer.data, np.where(LABELS == 1, 0, LABELS))


def test_the_selected_layer_is_the_one_corrected(desk: Desk, folder: Path) -> None:
    desk.open(folder)
    sample = desk.layer.data.copy()
    layer = desk.viewer.add_labels(LABELS.copy(), name="mine")
    desk.hand.use("D", 55, 55)
    np.testing.assert_array_equal(layer.data, np.where(LABELS == 2, 0, LABELS))
    np.testing.assert_array_equal(desk.layer.data, sample)
    desk.viewer.layers.selection.active = desk.layer
    assert "nuclei" in desk.dock.title.text()


# --- closing


def test_a_closed_dock_gives_its_keys_back(desk: Desk) -> None:
    layer = desk.viewer.add_labels(LABELS.copy())
    before = dict(desk.viewer.keymap)
    desk.docked.destroyOnClose()
    assert len(desk.viewer.keymap) == len(before) - len(TOOLS) - 6
    desk.hand.use("D", 55, 55)
    np.testing.assert_array_equal(layer.data, LABELS)


def test_a_dock_that_was_opened_again_works(desk: Desk) -> None:
    layer = desk.viewer.add_labels(LABELS.copy())
    desk.docked.destroyOnClose()
    QTest.qWait(50)
    again = CorrectDock(desk.viewer)
    desk.viewer.window.add_dock_widget(again, name="Correct", area="right")
    desk.viewer.reset_view()
    QTest.qWait(50)
    desk.hand.use("D", 55, 55)
    np.testing.assert_array_equal(layer.data, np.where(LABELS == 2, 0, LABELS))
    QApplication.setActiveWindow(main_window(desk.viewer))
    QTest.keyClick(desk.hand.canvas, "?")
    assert again.card.isVisible()
    again.card.hide()


@pytest.mark.parametrize("closed", ["first", "second"])
def test_of_two_docks_the_one_that_is_left_has_the_keys(desk: Desk, closed: str) -> None:
    layer = desk.viewer.add_labels(LABELS.copy())
    second = CorrectDock(desk.viewer)
    docked = desk.viewer.window.add_dock_widget(second, name="Correct again", area="right")
    desk.viewer.reset_view()
    QTest.qWait(50)
    QApplication.setActiveWindow(main_window(desk.viewer))
    QTest.keyClick(desk.hand.canvas, "?")
    assert second.card.isVisible()
    assert not desk.dock.card.isVisible()
    second.card.hide()
    (desk.docked if closed == "first" else docked).destroyOnClose()
    QTest.qWait(50)
    left = second if closed == "first" else desk.dock
    desk.hand.use("D", 55, 55)
    np.testing.assert_array_equal(layer.data, np.where(LABELS == 2, 0, LABELS))
    assert left.message.text() == "Nucleus 2 deleted"
    QTest.keyClick(desk.hand.canvas, "?")
    assert left.card.isVisible()
    left.card.hide()


def test_a_dock_that_is_gone_hears_nothing_of_its_tools(desk: Desk) -> None:
    layer = desk.viewer.add_labels(LABELS.copy())
    tools = desk.dock.tools
    desk.click(desk.button("delete"))
    assert tools.waiting is not None
    with desk.qtbot.waitSignal(desk.dock.destroyed):
        desk.dock.deleteLater()
    desk.viewer.layers.selection.clear()
    assert tools.waiting is None
    layer.mode = "paint"


@pytest.mark.parametrize("way", ["button", "remove", "clear", "next"])
def test_a_layer_goes_while_the_brush_is_over_it(desk: Desk, folder: Path, way: str) -> None:
    desk.open(folder)
    buttons = desk.viewer.window._qt_viewer.layerButtons
    for sample_id in ("a", "b"):
        desk.show(sample_id)
        layer = desk.layer
        layer.mode = "paint"
        desk.hand.drag((30, 30), (40, 40))
        if way == "button":
            desk.click(buttons.deleteButton)
        elif way == "remove":
            desk.viewer.layers.remove(layer)
        elif way == "clear":
            desk.viewer.layers.clear()
        else:
            desk.hand.press("Q" if sample_id == "b" else "W")
        desk.qtbot.waitUntil(lambda gone=layer: gone not in desk.viewer.layers)
        desk.hand.point(50, 50)
        QTest.qWait(50)
