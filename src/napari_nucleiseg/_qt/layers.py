"""What is seen of a sample in the viewer: the one place that touches `viewer.layers`.

`SampleLayers` follows `session.sample`: a worker reads it, then its image and one fresh
Labels layer replace those of the sample before. A Labels layer is never given to a second
sample, so that no undo step of one image reaches another.

Whether work is unsaved, and which nuclei a hand has touched, is found by comparing the
layer with what was shown and saved, not by counting events: so it holds for strokes, undo,
redo, other plugins and the console alike.
"""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image, Labels
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_nucleiseg._qt.canvas import fit, hide_brush_box, put_brush_away
from napari_nucleiseg._qt.closing import CloseGuard
from napari_nucleiseg._qt.keys import bind_keys
from napari_nucleiseg._qt.layers_beside import LayersBeside
from napari_nucleiseg._qt.preferences import display
from napari_nucleiseg._qt.sample_reader import SampleReader
from napari_nucleiseg._qt.saving import Saving
from napari_nucleiseg.draft import Draft
from napari_nucleiseg.sample_files import Opened, Origin, Work
from napari_nucleiseg.session import Session, count_nuclei, session_for
from napari_nucleiseg.storage import SampleState, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_nucleiseg.dataset import Sample
    from napari_nucleiseg.edits import Edit
    from napari_nucleiseg.errors import BadInput

_SOON_MS = 50
_layers: WeakKeyDictionary[Any, SampleLayers] = WeakKeyDictionary()


def layers_for(viewer: Any, session: Session | None = None) -> SampleLayers:
    """Give the `SampleLayers` of a viewer; they are made on the first call.

    Parameters
    ----------
    viewer : napari.Viewer
        Itself, or the proxy that napari hands to plugins.
    session : Session, optional
        By default `session_for(viewer)`; only the first call's counts.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _layers:
        _layers[viewer] = layers = SampleLayers(viewer, session or session_for(viewer))
        if hasattr(viewer, "window"):
            hide_brush_box(viewer)
            CloseGuard(viewer.window._qt_window, layers, layers.saving)
            bind_keys(viewer, layers)
    return _layers[viewer]


class SampleLayers:
    """The layers of the session's sample. See `layers_for`.

    Attributes
    ----------
    session : Session
    saving : Saving
        Saves them.
    opened : Opened, or None
        What is shown, as it was read; None while nothing is.
    image_layer : napari Image layer, or None
    labels_layer : napari Labels layer, or None
        None also after the person deleted it.
    """

    unsaved_changed = Signal(bool)
    edited = Signal()
    """A hand changed the labels: a piece of a stroke, an edit, undo or redo."""
    labels_layer_changed = Signal(object)
    """A new Labels layer, or None: bind keys and mouse callbacks to it here."""
    loading_changed = Signal(bool)
    handed_over = Signal(object)
    """Work (a copy of unsaved labels) of a sample that goes from sight."""

    def __init__(self, viewer: Any, session: Session) -> None:
        self._viewer = weakref.ref(viewer)
        self.session = session
        self.opened: Opened | None = None
        self.image_layer: Image | None = None
        self.labels_layer: Labels | None = None
        self._beside = LayersBeside(viewer)
        self._draft = Draft(np.zeros((0, 0), np.int32))
        self._reader = SampleReader(
            session,
            self.show_sample,
            self._on_read_failed,
            lambda: self.loading_changed.emit(self.is_loading),
        )
        self._is_unsaved = False
        self._is_showing = False
        self.saving = Saving(self)
        session.sample_changed.connect(self._on_sample_changed)
        viewer.layers.events.removing.connect(self._on_layer_removing)
        viewer.layers.events.removed.connect(self._on_layer_removed)

    # --- reading a sample

    @property
    def sample(self) -> Sample | None:
        """The sample whose layers are shown; while another is read, still this one."""
        return self.opened.sample if self.opened else None

    def owns(self, layer: object) -> bool:
        """Whether a layer is one of ours: image, labels, prediction or maps of the sample."""
        return layer is self.image_layer or layer is self.labels_layer or layer in self._beside

    @property
    def is_loading(self) -> bool:
        """Whether the session's sample is being read."""
        return self._reader.is_reading

    def _on_sample_changed(self, sample: Sample | None) -> None:
        self.leave()
        if sample is None:
            self.clear()
            return
        if self.labels_layer is not None:
            # Strokes on a sample that has been handed over would be lost.
            self.labels_layer.editable = False
        self._reader.read(sample)

    def _on_read_failed(self, error: BadInput) -> None:
        self.clear()
        self.session.failed.emit(str(error))

    # --- showing it

    def show_sample(self, opened: Opened) -> None:
        """Show a sample that was read: its image and a fresh Labels layer.

        A sample that is not the session's any more is dropped. Labels that are still
        waiting to be saved, or else those that a crash left, are shown in place of the
        saved ones, and count as unsaved.
        """
        viewer = self._viewer()
        if viewer is None or self.session.sample is not opened.sample:
            return
        self._clear_labels(self._remove_soon)
        self.opened = opened
        is_corrected = opened.origin is Origin.CORRECTION
        self._draft = Draft(
            opened.labels,
            opened.state.touched if is_corrected else (),
            opened.prediction if is_corrected else None,
            opened.state.model,
        )
        if opened.origin is Origin.PREDICTION:
            self._draft.prediction = opened.prediction
        self.session.note_state(opened.sample.id, opened.state, count_nuclei(opened.labels))
        self._show_image(viewer, opened)
        self._add_labels_layer(self._first_labels(opened))
        # The layer of the sample before is not gone yet, and may be larger.
        fit(viewer, self.image_layer)

    def _show_image(self, viewer: Any, opened: Opened) -> None:
        """Give the Image layer another image: a new one takes napari 0.2 s longer."""
        layer, rgb = self.image_layer, opened.image.ndim == 3
        if layer is not None and layer.rgb == rgb:
            layer.data, layer.name = opened.image, opened.sample.id
        else:
            self.image_layer = None
            self._remove_soon(layer)
            layer = Image(opened.image, name=opened.sample.id, rgb=rgb)
            self.image_layer = viewer.add_layer(layer)
        if not rgb:
            layer.contrast_limits = opened.intensity

    def _first_labels(self, opened: Opened) -> np.ndarray:
        pending = self.session.pending.get(opened.sample.id)
        found = pending or opened.recovery
        if found is None or found.labels.shape != opened.labels.shape:
            return opened.labels.astype(np.int32)
        self._draft.add_touched(found.touched)
        return found.labels.astype(np.int32)

    def _add_labels_layer(self, labels: np.ndarray) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        chosen = display()
        layer = Labels(labels, name="nuclei", opacity=chosen.opacity)
        layer.contour, layer.brush_size = chosen.contour, chosen.brush_size
        layer.selected_label = int(labels.max(initial=0)) + 1
        self.labels_layer = viewer.add_layer(layer)
        viewer.layers.selection.active = layer
        layer.events.labels_update.connect(self._on_stroke)
        layer.events.paint.connect(self._on_stroke)
        # Undo and redo have no event of their own, but redraw.
        layer.events.set_data.connect(self._on_redrawn)
        layer.events.data.connect(self._on_redrawn)
        self.check_unsaved()
        self.labels_layer_changed.emit(layer)

    def show_saved(self) -> None:
        """Go back to the labels as they were saved last; unsaved strokes are dropped."""
        if self.opened is not None:
            self.session.note_pending(self.opened.sample.id, None)
            self._put(self._draft.go_back(self.opened.state.touched))
            self.check_unsaved()

    def clear(self) -> None:
        """Remove our layers from the viewer; unsaved work is handed over first."""
        self._clear_labels(self._remove)
        self._remove_image()

    def _clear_labels(self, remove: Callable[[Labels | None], None]) -> None:
        self.leave()
        self._beside.clear()
        # What we could not save is not ours to throw away.
        labels = None if self._has_foreign_labels else self.labels_layer
        had_labels = self.labels_layer is not None
        self.opened = self.labels_layer = None
        remove(labels)
        self._set_unsaved(False)
        if had_labels:
            self.labels_layer_changed.emit(None)

    def _remove_image(self) -> None:
        layer, self.image_layer = self.image_layer, None
        self._remove(layer)

    def _remove_soon(self, layer: Image | Labels | None) -> None:
        """Hide a layer now, and remove it once the next one is seen.

        napari collects garbage at each removal, which takes as long as all the rest.
        """
        if layer is not None:
            layer.name, layer.visible = "closing", False
            QTimer.singleShot(_SOON_MS, lambda: self._remove(layer))

    def _remove(self, layer: Image | Labels | None) -> None:
        viewer = self._viewer()
        if layer is None or viewer is None or layer not in viewer.layers:
            return
        viewer.layers.remove(layer)

    @property
    def _has_foreign_labels(self) -> bool:
        """Whether somebody gave the layer data of another shape than the image's."""
        return self.labels_layer is not None and self.labels_layer.data.shape != self._draft.shape

    def _on_layer_removing(self, event: Any) -> None:
        viewer = self._viewer()
        if viewer is not None and hasattr(viewer, "window"):
            put_brush_away(viewer, viewer.layers[event.index])

    def _on_layer_removed(self, event: Any) -> None:
        if event.value is self.labels_layer:
            self.leave()
            self.labels_layer = None
            self._set_unsaved(False)
            self.labels_layer_changed.emit(None)
        elif event.value is self.image_layer:
            self.image_layer = None

    # --- what a hand has done

    @property
    def unsaved(self) -> bool:
        """Whether the labels differ from the saved ones."""
        return self._is_unsaved

    @property
    def touched(self) -> set[int]:
        """Ids of nuclei that a hand has touched, and that are still there."""
        if self.labels_layer is None or self._has_foreign_labels:
            return set()
        return set(self._draft.touched(self.labels_layer.data))

    @property
    def is_protected(self) -> bool:
        """Whether all nuclei count as touched: an annotation, or an approved sample.

        A correction that did not begin with a model's prediction counts too.
        """
        if self.opened is None:
            return False
        if self.opened.origin is Origin.ANNOTATION:
            return True
        state = self.session.state_of(self.opened.sample)
        by_hand = state.status is Status.CORRECTED and not state.model
        return state.status is Status.APPROVED or by_hand

    @property
    def shows_prediction(self) -> bool:
        """Whether the labels began with a model, and no correction of them was saved yet."""
        is_free = not self.is_protected and not self._is_saved
        return is_free and self._draft.prediction is not None

    @property
    def _is_saved(self) -> bool:
        return self.opened is not None and self.opened.origin is Origin.CORRECTION

    def current_labels(self) -> np.ndarray | None:
        """Copy the labels as shown, (H, W) int32; None while there are none."""
        return None if self.labels_layer is None else np.array(self.labels_layer.data)

    def _on_stroke(self) -> None:
        if not self._is_showing:
            self._set_unsaved(True)
            self.edited.emit()

    def _on_redrawn(self) -> None:
        if not self._is_showing and self.check_unsaved():
            self.edited.emit()

    def check_unsaved(self) -> bool:
        """Compare the labels with the saved ones, and set `unsaved`."""
        layer = self.labels_layer
        self._set_unsaved(layer is not None and self._draft.is_unsaved(layer.data))
        return self._is_unsaved

    def _set_unsaved(self, value: bool) -> None:
        if value != self._is_unsaved:
            self._is_unsaved = value
            self.unsaved_changed.emit(value)

    # --- changing labels

    def apply_edit(self, edit: Edit) -> None:
        """Make an edit, as one step of the layer's own undo."""
        layer = self.labels_layer
        if layer is None or not edit:
            return
        with layer.block_history():
            layer.data_setitem(edit.index, edit.values)
        layer.selected_label = max(layer.selected_label, int(edit.values.max()) + 1)
        self.check_unsaved()

    def show_prediction(self, sample_id: str, labels: np.ndarray) -> bool:
        """Show what a model says of a sample; nuclei that a hand has touched stay.

        On a sample that `is_protected` it is shown in a layer beside, which is not saved.
        A Labels layer that was deleted is made again. The undo history of the strokes stays:
        a prediction is no step of it, and as nuclei keep their ids, undoing a stroke brings
        back the pixels that were there before it, under ids that still fit.

        Parameters
        ----------
        sample_id : str
        labels : (H, W) int32

        Returns
        -------
        bool
            Whether it was shown: not if another sample is shown now.

        Raises
        ------
        ValueError
            If the labels are not of the image's size.
        """
        if self.sample is None or self.sample.id != sample_id:
            return False
        if labels.shape != self._draft.shape:
            raise ValueError(f"The prediction is {labels.shape}, not {self._draft.shape}.")
        if self.labels_layer is None:
            pending = self.session.pending.get(sample_id)
            self._add_labels_layer(np.array(pending.labels if pending else self._draft.reference))
        if self.is_protected or self._has_foreign_labels:
            self._beside.show_prediction(labels, self.labels_layer)
        elif self.labels_layer is not None:
            model = self.session.model.name if self.session.model else self._draft.model
            now = self.labels_layer.data
            self._put(self._draft.merge(now, labels, model, is_saved=self._is_saved))
            self.check_unsaved()
        return True

    def _put(self, labels: np.ndarray) -> None:
        """Change the layer in place, past its undo history."""
        layer = self.labels_layer
        if layer is None:
            return
        with self._showing():
            layer.data[...] = labels
            layer.refresh()
            layer.selected_label = max(layer.selected_label, int(labels.max(initial=0)) + 1)

    @contextmanager
    def _showing(self) -> Iterator[None]:
        self._is_showing = True
        try:
            yield
        finally:
            self._is_showing = False

    def show_maps(self, sample_id: str, maps: np.ndarray | None, visible: bool = True) -> None:
        """Show the maps (H, W, 3) of a sample under the labels, or take them away."""
        if self.sample is not None and self.sample.id == sample_id:
            self._beside.show_maps(maps if visible else None, self.labels_layer)

    # --- handing over to be saved

    def work(self, status: Status = Status.CORRECTED) -> Work | None:
        """Copy the labels, with all that is needed to save them; None if there are none."""
        if self.opened is None or self.labels_layer is None:
            return None
        sample, by_model = self.opened.sample, not self.is_protected
        if self._has_foreign_labels:
            self.session.failed.emit(
                f"The labels of {sample.id} were replaced by others of the shape "
                f"{self.labels_layer.data.shape}, but its image is {self._draft.shape}: "
                "that layer is left as it is; save it with File > Save."
            )
            return None
        return Work(
            sample,
            self.session.folder_of(sample),
            np.array(self.labels_layer.data, np.int32),
            status,
            self._draft.model if by_model else "",
            tuple(sorted(self.touched)),
            self._draft.prediction if by_model else None,
            self.opened.image_sha256,
            self.opened.saved_sha256,
        )

    def leave(self) -> None:
        """Hand unsaved labels over, unless they wait to be saved already."""
        if self.opened is None or self.labels_layer is None or not self.check_unsaved():
            return
        waiting = self.session.pending.get(self.opened.sample.id)
        if waiting is not None and np.array_equal(waiting.labels, self.labels_layer.data):
            return
        work = self.work()
        if work is not None:
            self.handed_over.emit(work)

    def note_saved(self, work: Work, state: SampleState) -> None:
        """Take note that a copy of the labels was saved; strokes since then stay unsaved."""
        self._reader.note_saved(work.sample)
        if self.opened is None or self.opened.sample is not work.sample:
            return
        self.opened = replace(
            self.opened,
            origin=Origin.CORRECTION,
            state=state,
            saved_sha256=state.labels_sha256,
            recovery=None,
        )
        self._draft.reference = work.labels
        self.check_unsaved()
