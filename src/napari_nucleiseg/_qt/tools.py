"""How keys, clicks and lines become edits, by the tools of correction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_nucleiseg._qt import canvas
from napari_nucleiseg._qt.gestures import Cutting, Gesture, Outcome
from napari_nucleiseg._qt.key_button import native
from napari_nucleiseg._qt.marks import Marks
from napari_nucleiseg._qt.tool_list import Tool
from napari_nucleiseg.errors import BadInput

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

    from napari_nucleiseg._qt.gestures import Scene
    from napari_nucleiseg._qt.plane import Plane
    from napari_nucleiseg._qt.target import Target

# A press and a release this far apart [canvas px] are a drag, not a click.
_DRAG = 4


_NOTHING_TO_DO = {
    "fill": "The nucleus has no holes",
    "smooth": "The nucleus is smooth already",
}


@dataclass(eq=False)
class _Waiting:
    """A tool that waits for the next click, and what is put back when it ends."""

    tool: Tool
    gesture: Gesture
    layer: Labels
    lasting: bool
    mode: str
    cursor: str
    asked: str = ""


class Tools:
    """Turns keys, clicks and drawn lines into edits.

    A key acts at the pointer, once. A button makes its tool wait for clicks, until Escape.

    Parameters
    ----------
    viewer : Viewer
    target : Target
        What is corrected.
    """

    waiting_changed = Signal(object)
    """The `Tool` that waits for clicks, or None."""
    said = Signal(str, bool)
    """A sentence for the person, and whether it tells of trouble."""

    def __init__(self, viewer: Viewer, target: Target) -> None:
        self._viewer = viewer
        self._target = target
        self._marks = Marks(viewer)
        self._waiting: _Waiting | None = None
        self._unbound: dict[str, Any] = {}
        self._zooms: list[Callable] = []
        viewer.layers.selection.events.active.connect(self._on_layer_selected)

    @property
    def waiting(self) -> Tool | None:
        """The tool that waits for clicks."""
        return self._waiting.tool if self._waiting else None

    @property
    def expected(self) -> str:
        """What the tool that waits asks for; "" where none does."""
        waiting = self._waiting
        return f"{waiting.tool.label}: {waiting.gesture.expects}; Esc ends" if waiting else ""

    def press(self, tool: Tool) -> None:
        """Act at the pointer, as the tool's key does."""
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._say(f"Release the mouse button before you press {tool.key}", trouble=True)
            return
        world = canvas.pointer(self._viewer)
        if self._waiting and self._waiting.tool is tool:
            if world is not None:
                self._click(world)
            return
        self.cancel()
        if world is None:
            self._say(f"Point at a nucleus in the image, then press {tool.key}", trouble=True)
            return
        self._begin(tool, world)

    def arm(self, tool: Tool) -> None:
        """Wait for clicks, each of which acts, until `cancel`; again ends it."""
        again = self._waiting is not None and self._waiting.tool is tool
        self.cancel()
        if again:
            return
        try:
            plane = self._target.plane()
        except BadInput as problem:
            self._say(str(problem), trouble=True)
            return
        self._wait(tool, tool.gesture(), plane.layer, lasting=True)

    def cancel(self) -> None:
        """End a tool that waits, without a change."""
        if self._waiting:
            self._end()
            self._say("")

    def remove(self) -> None:
        """Let go of the viewer."""
        self.cancel()
        self._marks.remove()
        self._viewer.layers.selection.events.active.disconnect(self._on_layer_selected)

    def _begin(self, tool: Tool, world: tuple[float, ...]) -> None:
        gesture = tool.gesture()
        try:
            plane = self._target.plane()
            scene = self._target.scene(plane)
            if isinstance(gesture, Cutting):
                gesture.choose(scene, plane.pixel(world))
                outcome = None
            else:
                outcome = gesture.click(scene, plane.pixel(world))
            if outcome:
                self._write(tool, plane, outcome)
                return
        except BadInput as problem:
            self._say(str(problem), trouble=True)
            return
        self._wait(tool, gesture, plane.layer, lasting=False)
        self._show(plane, scene)

    def _click(self, world: tuple[float, ...]) -> None:
        self._feed(lambda gesture, plane, scene: gesture.click(scene, plane.pixel(world)))

    def _finish(self) -> None:
        self._feed(lambda gesture, plane, scene: gesture.finish(scene))

    def _feed(self, step: Callable[[Gesture, Plane, Scene], Outcome | None]) -> None:
        """Take a step of the waiting gesture; trouble leaves it waiting."""
        waiting = self._waiting
        if waiting is None:
            return
        try:
            plane = self._target.plane()
            scene = self._target.scene(plane)
            outcome = step(waiting.gesture, plane, scene)
            if outcome:
                self._write(waiting.tool, plane, outcome)
        except BadInput as problem:
            self._say(f"{problem} Esc ends.", trouble=True)
            waiting.asked = ""
            self._marks.clear_cut()
            return
        if outcome is None:
            self._ask()
            self._show(plane, scene)
        elif waiting.lasting:
            waiting.gesture = waiting.tool.gesture()
            self._marks.clear()
        else:
            self._end()

    def _write(self, tool: Tool, plane: Plane, outcome: Outcome) -> None:
        if not outcome.edit:
            self._say(_NOTHING_TO_DO.get(tool.name, "There was nothing to change"), trouble=True)
            return
        self._target.write(plane, outcome.edit)
        if outcome.odd:
            text = f"{outcome.text}, {outcome.odd}: {native('Ctrl+Z')} takes it back"
            self._say(text, trouble=True)
        else:
            self._say(outcome.text)

    def _show(self, plane: Plane, scene: Scene) -> None:
        if self._waiting:
            self._marks.show_outline(plane, scene.labels, self._waiting.gesture.chosen)
            self._marks.show_cut(plane, self._waiting.gesture.line)

    def _wait(self, tool: Tool, gesture: Gesture, layer: Labels, lasting: bool) -> None:
        self._viewer.layers.selection.active = layer
        self._waiting = _Waiting(tool, gesture, layer, lasting, layer.mode, layer.cursor)
        layer.mode = "pan_zoom"
        layer.cursor = "crosshair"
        layer.events.mode.connect(self._on_mode_chosen)
        # napari's own actions stand on these two keys, and a double click zooms.
        for key, action in (("Escape", self.cancel), ("Enter", self._finish)):
            self._unbound[key] = layer.bind_key(key, lambda _, act=action: act(), overwrite=True)
        clicks = self._viewer.mouse_double_click_callbacks
        self._zooms = canvas.take_zooms(self._viewer)
        clicks.append(self._on_double_click)
        self._viewer.mouse_drag_callbacks.append(self._on_drag)
        self._ask()
        self.waiting_changed.emit(tool)

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        layer = waiting.layer
        layer.events.mode.disconnect(self._on_mode_chosen)
        for key, action in self._unbound.items():
            layer.bind_key(key, action, overwrite=True)
        self._unbound.clear()
        clicks = self._viewer.mouse_double_click_callbacks
        clicks.remove(self._on_double_click)
        clicks[:0] = self._zooms
        self._viewer.mouse_drag_callbacks.remove(self._on_drag)
        self._marks.clear()
        layer.mode = waiting.mode
        layer.cursor = waiting.cursor
        self.waiting_changed.emit(None)

    def _on_drag(self, viewer: Viewer, event: Any) -> Iterator[None]:
        """Take a press, the moves after it and the release, as napari feeds them."""
        waiting = self._waiting
        if waiting is None or event.button != 1:
            return
        start, dragged = np.array(event.pos), False
        if waiting.gesture.draws:
            event.handled = True  # so that the camera stays
            self._click(event.position)
        yield
        while event.type == "mouse_move" and self._waiting is waiting:
            dragged = dragged or bool(np.abs(event.pos - start).max() > _DRAG)
            if waiting.gesture.draws and dragged:
                event.handled = True
                waiting.gesture.dragging = True
                self._click(event.position)
            yield
        if self._waiting is not waiting:
            return
        if waiting.gesture.draws and dragged:
            self._click(event.position)
            self._finish()
            waiting.gesture.dragging = False
        elif not waiting.gesture.draws and not dragged:
            self._click(event.position)

    def _on_double_click(self, viewer: Viewer, event: Any) -> None:
        """Take the second of two quick clicks, which Qt does not report as a press."""
        if event.button == 1:
            self._click(event.position)
            self._finish()

    def _on_mode_chosen(self) -> None:
        """Brush, fill or eraser was chosen: the tool has to leave."""
        if self._waiting:
            self._waiting.mode = self._waiting.layer.mode
            self._waiting.cursor = self._waiting.layer.cursor
            self.cancel()

    def _on_layer_selected(self) -> None:
        if self._waiting and self._viewer.layers.selection.active is not self._waiting.layer:
            self.cancel()

    def _ask(self) -> None:
        """Say what is expected next, unless it was said just now."""
        waiting = self._waiting
        if waiting and waiting.asked != waiting.gesture.expects:
            waiting.asked = waiting.gesture.expects
            self._say(self.expected)

    def _say(self, text: str, trouble: bool = False) -> None:
        self._viewer.status = text
        self.said.emit(text, trouble)
