"""Correct: paint, use the tools, go through the doubts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from napari.utils.key_bindings import KeyCode, KeyMod, coerce_keybinding
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QGridLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_nucleiseg._qt import canvas, doubts_list, key_card, key_groups
from napari_nucleiseg._qt.brush_bar import BrushBar
from napari_nucleiseg._qt.doubts_list import DoubtsList
from napari_nucleiseg._qt.doubts_watch import DoubtsWatch
from napari_nucleiseg._qt.key_button import KeyButton
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.listening import listen
from napari_nucleiseg._qt.marks import Marks
from napari_nucleiseg._qt.save_row import SaveRow
from napari_nucleiseg._qt.scroll_dock import ScrollDock
from napari_nucleiseg._qt.target import Target
from napari_nucleiseg._qt.tool_grid import ToolGrid
from napari_nucleiseg._qt.tool_list import TOOLS, Tool
from napari_nucleiseg._qt.tools import Tools
from napari_nucleiseg._qt.wrapped_label import WrappedLabel
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.session import Session

if TYPE_CHECKING:
    import napari.viewer

    from napari_nucleiseg.doubts import Doubt

_UNDO = KeyMod.CtrlCmd | KeyCode.KeyZ
_REDO = KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyZ
_UNDO_TIP = "Take back the last change since this image was opened."
_REST_TEXT = "Point at a nucleus and press a key, or press a button and click nuclei."


class CorrectDock(ScrollDock):
    """Tools for the labels of the current sample, or of any Labels layer.

    Parameters
    ----------
    viewer : Viewer
    session : Session, optional
        By default that of the viewer.
    """

    # napari passes the viewer to a parameter with this very annotation.
    def __init__(self, viewer: napari.viewer.Viewer, session: Session | None = None) -> None:
        super().__init__()
        self._viewer = viewer = canvas.unwrapped(viewer)
        self._layers = layers_for(viewer, session)
        self._target = Target(viewer, self._layers.session, self._layers)
        self.tools = Tools(viewer, self._target)
        self.watch = DoubtsWatch(viewer, self._target, self)
        self._marks = Marks(viewer)
        self._said = ""
        self.title, self.message = WrappedLabel(""), _message()
        self.tool_grid, self.brush_bar, self.doubts = ToolGrid(), BrushBar(), DoubtsList()
        self.save_row = SaveRow(self._layers)
        self.undo = KeyButton("Undo", "Ctrl+Z", _UNDO_TIP)
        self.redo = KeyButton("Redo", "Ctrl+Shift+Z", "Make it again.")
        self.keys = KeyButton("All keys", key_card.KEY, "Show a card with all keys.")
        self.card = key_card.KeyCard(key_groups.columns(), canvas.main_window(viewer))
        self._lay_out()
        self._connect()
        self._actions = self._make_actions()
        self._take_keys()
        self._on_layer_changed()

    def _lay_out(self) -> None:
        inside = QWidget()
        rows = QVBoxLayout(inside)
        rows.setContentsMargins(8, 6, 8, 6)
        rows.setSpacing(5)
        for widget in (self.title, self.tool_grid, self.message, _heading("Paint")):
            rows.addWidget(widget)
        rows.addWidget(self.brush_bar)
        rows.addLayout(self._history_row())
        rows.addWidget(_heading("Doubts"))
        rows.addWidget(self.doubts, stretch=1)
        rows.addWidget(self.save_row)
        self.tool_grid.add(self.keys)
        self.show_column(inside)

    def _history_row(self) -> QGridLayout:
        row = QGridLayout()
        row.setSpacing(4)
        row.addWidget(self.undo, 0, 0)
        row.addWidget(self.redo, 0, 1)
        return row

    def _connect(self) -> None:
        self.tool_grid.pressed.connect(self._on_tool_pressed)
        self.watch.found.connect(self.doubts.show_doubts)
        self.watch.outdated.connect(self._on_labels_changed)
        self.watch.dismissed_changed.connect(self.doubts.show_dismissed)
        self.doubts.chosen.connect(self._on_doubt_chosen)
        self.doubts.dismissed.connect(self._on_doubt_dismissed)
        self.doubts.wanted_back.connect(self._bring_back)
        self.undo.clicked.connect(self._undo)
        self.redo.clicked.connect(lambda: self._with_layer(Labels.redo))
        self.keys.clicked.connect(self.card.toggle)
        listen(
            self,
            (self.tools.waiting_changed, self._on_waiting_changed),
            (self.tools.said, self._on_said),
            (self._layers.labels_layer_changed, self._on_layer_changed),
            (self._layers.session.maps_changed, self._on_maps_changed),
            (self._viewer.layers.selection.events.active, self._on_layer_changed),
            (self._viewer.layers.events.removed, self._on_layer_changed),
        )

    def _make_actions(self) -> dict[str | int, Callable[[napari.viewer.Viewer], None]]:
        actions: dict[str | int, Callable[[napari.viewer.Viewer], None]] = {
            doubts_list.NEXT: lambda viewer: self._go(1),
            doubts_list.PREVIOUS: lambda viewer: self._go(-1),
            doubts_list.DISMISS: lambda viewer: self._dismiss(),
            doubts_list.BRING_BACK: lambda viewer: self._bring_back(),
        }
        # napari's own are heard while a Labels layer is selected, and come first then.
        actions[_UNDO] = lambda viewer: self._undo()
        actions[_REDO] = lambda viewer: self._with_layer(Labels.redo)
        for tool in TOOLS:
            actions[tool.key] = _pressing(self.tools, tool)
        return actions

    def _take_keys(self) -> None:
        """Hear the keys, instead of other docks of this window that a script has made."""
        for other in self._others():
            other.card.hear_key(False)
        self.card.hear_key(True)
        for key, action in self._actions.items():
            self._viewer.bind_key(key, action, overwrite=True)

    def _others(self) -> list[CorrectDock]:
        docks = canvas.main_window(self._viewer).findChildren(CorrectDock)
        return [each for each in docks if each is not self]

    def let_go(self) -> None:
        """Give keys, pointer and marks back to the viewer, or the keys to the dock before."""
        keymap = self._viewer.keymap
        # Not those of a dock that was opened after this one.
        mine = [
            key
            for key, action in self._actions.items()
            if keymap.get(coerce_keybinding(key)) is action
        ]
        for key in mine:
            self._viewer.bind_key(key, None)
        self.card.hear_key(False)
        others = self._others()
        if mine and others:
            others[-1]._take_keys()
        self.watch.follow(None)
        self.brush_bar.show_layer(None)
        self.tools.remove()
        self._marks.remove()
        self.card.deleteLater()

    def _with_layer(self, action: Callable[[Labels], None]) -> None:
        layer = self._target.layer()
        if layer is not None:
            action(layer)

    def _undo(self) -> None:
        layer = self._target.layer()
        if layer is not None and not layer._undo_history:
            self._say("Nothing to undo since this image was opened")
        self._with_layer(Labels.undo)

    def _on_labels_changed(self) -> None:
        """Take away what was said of the labels before."""
        self._marks.clear()
        self._take_back(self.tools.expected)

    def _on_layer_changed(self) -> None:
        layer = self._target.layer()
        self.brush_bar.show_layer(layer)
        self.watch.follow(layer)
        self._marks.clear()
        self._take_back("")
        self.title.setText(_title(layer))
        self.tool_grid.show_usable(layer is not None)
        for button in (self.undo, self.redo):
            button.setEnabled(layer is not None)

    def _take_back(self, text: str) -> None:
        """Say something else, in napari's status bar too where our words still stand there."""
        if self._said and self._viewer.status == self._said:
            self._viewer.status = text
        self._on_said(text, is_trouble=False)

    def _on_maps_changed(self, sample_id: str) -> None:
        self.watch.look_soon()

    def _on_waiting_changed(self, waiting: Tool | None) -> None:
        self.tool_grid.show_waiting(waiting)
        self.brush_bar.show_in_use(waiting is None)

    def _on_tool_pressed(self, tool: Tool) -> None:
        self._marks.clear()
        self.tools.arm(tool)
        self.tool_grid.show_waiting(self.tools.waiting)

    def _on_said(self, text: str, is_trouble: bool) -> None:
        self._said = text
        self.message.setText(f"⚠ {text}" if is_trouble else text or _REST_TEXT)

    def _go(self, by: int) -> None:
        if self.doubts.go(by) is None:
            self._say("No doubtful nuclei")

    def _dismiss(self) -> None:
        if self.doubts.dismiss() is None:
            self._say(f"No doubt is chosen; go to one with {doubts_list.NEXT}")

    def _on_doubt_dismissed(self, doubt: Doubt) -> None:
        self.watch.dismiss(doubt)
        self._marks.clear()
        done = f"Nucleus {doubt.id} looks right"
        following = self.doubts.go(1)
        self._say(done if following is None else f"{done}. {self.message.text()}")

    def _bring_back(self) -> None:
        doubt = self.watch.bring_back()
        if doubt is None:
            self._say("No doubtful nucleus of this image was taken off the list")
        else:
            self.doubts.go_to(doubt)

    def _on_doubt_chosen(self, doubt: Doubt) -> None:
        try:
            plane = self._target.plane()
        except BadInput as problem:
            self._on_said(str(problem), is_trouble=True)
            return
        box = np.array(doubt.bbox, float).reshape(2, 2) - 0.5
        corners = plane.displayed_world(box)
        canvas.look_at(self._viewer, corners.min(axis=0), corners.max(axis=0))
        plane.layer.selected_label = doubt.id
        self._marks.show_outline(plane, plane.pixels, doubt.id)
        self._say(f"Nucleus {doubt.id}: {doubt.text}")

    def _say(self, text: str) -> None:
        self._viewer.status = text
        self._on_said(text, is_trouble=False)


def _pressing(tools: Tools, tool: Tool) -> Callable[[napari.viewer.Viewer], None]:
    # Not a `partial`: napari asks actions for their names.
    def _press(viewer: napari.viewer.Viewer) -> None:
        tools.press(tool)

    return _press


def _title(layer: Labels | None) -> str:
    if layer is None:
        return "Open a sample, or select a Labels layer in the list of layers."
    return f"Layer <b>{layer.name}</b>"


def _heading(text: str) -> QLabel:
    return QLabel(f"<b>{text}</b>")


def _message() -> QLabel:
    """Room for three lines, so that nothing moves when the text does."""
    label = WrappedLabel(_REST_TEXT)
    label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    label.setFixedHeight(3 * label.fontMetrics().lineSpacing() + 8)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return label
