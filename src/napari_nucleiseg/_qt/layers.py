"""What is seen of a sample in the viewer: the one place that touches `viewer.layers`.

`SampleLayers` follows `session.sample`: a worker reads it, then its image and one fresh
Labels layer replace those of the sample before. A Labels layer is never given to a second
sample, so that no undo step of one image reaches another. What a hand does to the labels
then is the `DraftLayer`'s concern.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image, Labels
from napari.utils.notifications import show_info
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_nucleiseg._qt.canvas import fit, keep_from_crashing
from napari_nucleiseg._qt.closing import CloseGuard
from napari_nucleiseg._qt.draft_layer import DraftLayer
from napari_nucleiseg._qt.keys import bind_keys
from napari_nucleiseg._qt.layers_beside import LayersBeside
from napari_nucleiseg._qt.neighbours import Neighbours
from napari_nucleiseg._qt.opening import Opening
from napari_nucleiseg._qt.preferences import Display, display
from napari_nucleiseg._qt.sample_reader import SampleReader
from napari_nucleiseg._qt.saving import Saving
from napari_nucleiseg.session import Session, session_for

if TYPE_CHECKING:
    from napari_nucleiseg.errors import BadInput
    from napari_nucleiseg.sample import Sample
    from napari_nucleiseg.sample_files import Opened

_NEXT_MS = 5
_BACK = "The deleted layer “nuclei” is back, with what was drawn."
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
            keep_from_crashing(viewer)
            layers.opening.setParent(viewer.window._qt_window)  # and ends with it
            CloseGuard(viewer.window._qt_window, layers, layers.saving)
            bind_keys(viewer, layers)
            # napari takes 50 ms to make the settings of a plugin when they are first read.
            QTimer.singleShot(0, display)
    return _layers[viewer]


class SampleLayers:
    """The layers of the session's sample. See `layers_for`.

    Attributes
    ----------
    session : Session
    draft : DraftLayer
        The labels: what a hand has done to them, and what is unsaved.
    saving : Saving
        Saves them.
    opening : Opening
        Opens datasets.
    image_layer : napari Image layer, or None
    """

    labels_layer_changed = Signal(object)
    """A new Labels layer, or None: bind keys and mouse callbacks to it here."""
    loading_changed = Signal(bool)

    def __init__(self, viewer: Any, session: Session) -> None:
        self._viewer = weakref.ref(viewer)
        self.session = session
        self.draft = DraftLayer(session)
        self.image_layer: Image | None = None
        self._coming: Opened | None = None
        self._look: Display | None = None  # of the Labels layer before
        self._beside = LayersBeside(viewer)
        self._neighbours = Neighbours()
        self.labels_layer_changed.connect(self._neighbours.watch)
        self._reader = SampleReader(
            session,
            self.show_sample,
            self._on_read_failed,
            lambda: self.loading_changed.emit(self.is_loading),
        )
        self.saving = Saving(self.draft)
        self.opening = Opening(self)
        self.draft.saved.connect(self._on_saved)
        self.saving.labels_missed.connect(self._on_labels_missed)
        session.sample_changed.connect(self._on_sample_changed)
        viewer.layers.events.removed.connect(self._on_layer_removed)

    # --- reading a sample

    @property
    def sample(self) -> Sample | None:
        """The sample whose layers are shown; while another is read, still this one."""
        return self.draft.opened.sample if self.draft.opened else None

    @property
    def labels_layer(self) -> Labels | None:
        """The layer of the sample's labels; None also after the person deleted it."""
        return self.draft.layer

    def owns(self, layer: object) -> bool:
        """Whether a layer is one of ours: image, labels, prediction or maps of the sample."""
        return layer is self.image_layer or layer is self.labels_layer or layer in self._beside

    @property
    def is_loading(self) -> bool:
        """Whether the session's sample is being read, or its labels are still to be shown."""
        return self._reader.is_reading or self._coming is not None

    def _on_sample_changed(self, sample: Sample | None) -> None:
        self._coming = None
        self.draft.leave()
        if sample is None:
            self.clear()
            self._look = None
            return
        if self.labels_layer is not None:
            # Strokes on a sample that has been handed over would be lost.
            self.labels_layer.editable = False
        self._reader.read(sample)

    def _on_saved(self, sample: Sample) -> None:
        self._reader.note_saved(sample)
        if self._coming is not None and self._coming.sample is sample:
            # What was read is older than what was saved.
            self._coming = None
            self._reader.read(sample)

    def _on_read_failed(self, error: BadInput) -> None:
        self.clear()
        self.session.failed.emit(str(error))

    # --- showing it

    def show_sample(self, opened: Opened) -> None:
        """Show a sample that was read: its image and a fresh Labels layer.

        A sample that is not the session's any more is dropped. See `DraftLayer.open` for
        which labels are shown.
        """
        viewer = self._viewer()
        if viewer is None or self.session.sample is not opened.sample:
            return
        if self.image_layer is None:
            # The first layer of a kind takes napari 0.1 s, and its first drawing as much: the
            # window lives between the image and the labels.
            self._show_image(viewer, opened)
            self._coming = opened
            QTimer.singleShot(_NEXT_MS, self._show_coming)
            return
        self._clear_labels()
        labels = self.draft.open(opened)
        self.session.note_shown(opened.sample.id)
        self.session.note_state(opened.sample.id, opened.state, opened.count)
        self._show_image(viewer, opened)
        self._add_labels_layer(labels)
        fit(viewer, self.image_layer)

    def _show_coming(self) -> None:
        opened, self._coming = self._coming, None
        if opened is not None:
            self.show_sample(opened)
            self.loading_changed.emit(self.is_loading)

    def _show_image(self, viewer: Any, opened: Opened) -> None:
        """Give the Image layer another image: a new one takes napari 0.2 s longer."""
        layer, rgb = self.image_layer, opened.image.ndim == 3
        if layer is not None and layer.data is opened.image:
            return
        if layer is not None and layer.rgb == rgb:
            layer.data, layer.name, layer.visible = opened.image, opened.sample.id, True
        else:
            place = viewer.layers.index(layer) if layer in viewer.layers else len(viewer.layers)
            self._remove_image()
            self.image_layer = layer = Image(opened.image, name=opened.sample.id, rgb=rgb)
            viewer.layers.insert(place, layer)
        if not rgb:
            layer.contrast_limits = opened.intensity

    def _add_labels_layer(self, labels: np.ndarray) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        chosen = self._look or display()
        layer = Labels(labels, name="nuclei", opacity=chosen.opacity)
        layer.contour, layer.brush_size = chosen.contour, chosen.brush_size
        layer.selected_label = int(labels.max(initial=0)) + 1
        self.draft.attach(viewer.add_layer(layer))
        viewer.layers.selection.active = layer
        self.labels_layer_changed.emit(layer)

    def clear(self) -> None:
        """Remove our layers from the viewer; unsaved work is handed over first."""
        self._clear_labels()
        self._remove_image()

    def _clear_labels(self) -> None:
        self.draft.leave()
        self._beside.clear()
        had, is_foreign = self.labels_layer, self.draft.is_foreign
        self.draft.close()
        # What we could not save is not ours to throw away.
        self._remove(None if is_foreign else had)
        if had is not None:
            self._look = Display(had.opacity, had.contour, had.brush_size)
            self.labels_layer_changed.emit(None)

    def _remove_image(self) -> None:
        layer, self.image_layer = self.image_layer, None
        self._remove(layer)

    def _remove(self, layer: Image | Labels | None) -> None:
        viewer = self._viewer()
        if layer is None or viewer is None or layer not in viewer.layers:
            return
        viewer.layers.remove(layer)

    def _on_layer_removed(self, event: Any) -> None:
        if event.value is self.labels_layer:
            self.draft.leave()
            self.draft.detach()
            self.labels_layer_changed.emit(None)
        elif event.value is self.image_layer:
            self.image_layer = None

    def _on_labels_missed(self) -> None:
        """Bring back the layer that the person deleted, by accident as it seems."""
        viewer, opened = self._viewer(), self.draft.opened
        if viewer is None or opened is None:
            return
        if self.image_layer is None:
            self._show_image(viewer, opened)
        self._add_labels_layer(self.draft.labels_again())
        show_info(_BACK)

    # --- what a model says of it

    def show_prediction(self, sample_id: str, labels: np.ndarray) -> bool:
        """Show what a model says of a sample; nuclei that a hand has touched stay.

        On a sample that `is_protected` it is shown in a layer beside, which is not saved.
        A Labels layer that was deleted is made again.

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
        draft = self.draft
        if labels.shape != draft.shape:
            raise ValueError(f"The prediction is {labels.shape}, not {draft.shape}.")
        if draft.layer is None:
            self._add_labels_layer(draft.labels_again())
        if draft.is_protected or draft.is_foreign:
            self._beside.show_prediction(labels, draft.layer)
        else:
            draft.merge_prediction(labels)
        return True

    def show_maps(self, sample_id: str, maps: np.ndarray | None, visible: bool = True) -> None:
        """Show the maps (H, W, 3) of a sample under the labels, or take them away."""
        if self.sample is not None and self.sample.id == sample_id:
            self._beside.show_maps(maps if visible else None, self.labels_layer)
