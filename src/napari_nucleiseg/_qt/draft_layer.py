"""The labels that are shown of a sample, what a hand has done to them, and what is to be saved.

Whether work is unsaved, and which nuclei a hand has touched, is found by comparing the
layer with what was shown and saved, not by counting events: so it holds for strokes, undo,
redo, other plugins and the console alike.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_nucleiseg.draft import Draft
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.merging import alive
from napari_nucleiseg.sample_files import Opened, Origin
from napari_nucleiseg.sample_saving import Work
from napari_nucleiseg.state import SampleState, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Labels

    from napari_nucleiseg.edits import Edit
    from napari_nucleiseg.sample import Sample
    from napari_nucleiseg.session import Session

_BYTES = np.dtype(np.int32).itemsize


class DraftLayer:
    """The draft of the sample that is shown, and the Labels layer in which it is drawn.

    It is told of layers, and never adds or removes one.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    opened : Opened, or None
        The sample as it was read; None while none is shown.
    layer : napari Labels layer, or None
        None also after the person deleted it.
    """

    unsaved_changed = Signal(bool)
    edited = Signal()
    """A hand changed the labels: a piece of a stroke, an edit, undo or redo."""
    handed_over = Signal(object)
    """Work (a copy of unsaved labels) of a sample that goes from sight."""
    saved = Signal(object)
    """The sample whose labels were saved."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.opened: Opened | None = None
        self.layer: Labels | None = None
        self._draft = Draft(np.zeros((0, 0), np.int32))
        self._is_unsaved = False
        self._is_showing = False

    # --- a sample comes and goes

    def open(self, opened: Opened) -> np.ndarray:
        """Begin with a sample that was read.

        Returns
        -------
        (H, W) int32
            The labels to be shown: those that are still waiting to be saved, or else those
            that a crash left, or else the saved ones.
        """
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
        found = self.session.pending.get(opened.sample.id) or opened.recovery
        if found is None or found.labels.shape != opened.labels.shape:
            return opened.labels.astype(np.int32)
        self._draft.add_touched(alive(found.touched, found.labels))
        return found.labels.astype(np.int32)

    def labels_again(self) -> np.ndarray:
        """Copy the labels (H, W) int32 for a layer in place of one that was deleted."""
        assert self.opened is not None
        pending = self.session.pending.get(self.opened.sample.id)
        return np.array(pending.labels if pending else self._draft.reference)

    def attach(self, layer: Labels) -> None:
        """Watch the layer in which the labels are shown from now on."""
        self.layer = layer
        layer.events.labels_update.connect(self._on_stroke)
        layer.events.paint.connect(self._on_stroke)
        # Undo and redo have no event of their own, but redraw.
        layer.events.set_data.connect(self._on_redrawn)
        layer.events.data.connect(self._on_redrawn)
        self.check_unsaved()

    def detach(self) -> None:
        """Let go of a layer that was deleted."""
        self.layer = None
        self._set_unsaved(False)

    def close(self) -> None:
        """End with the sample; `leave` before, or what is unsaved is gone."""
        self.opened = None
        self.detach()

    # --- what a hand has done

    @property
    def unsaved(self) -> bool:
        """Whether the labels differ from the saved ones."""
        return self._is_unsaved

    @property
    def touched(self) -> set[int]:
        """Ids of nuclei that a hand has touched, and that are still there."""
        if self.layer is None or self.is_foreign:
            return set()
        return set(self._draft.touched(self.layer.data))

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) of the image."""
        return self._draft.shape

    @property
    def is_foreign(self) -> bool:
        """Whether somebody gave the layer data of another shape, or of a type for fewer ids."""
        return self._is_narrow or (self.layer is not None and self.layer.data.shape != self.shape)

    @property
    def _is_narrow(self) -> bool:
        return self.layer is not None and self.layer.data.dtype.itemsize < _BYTES

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
        return None if self.layer is None else np.array(self.layer.data)

    def _on_stroke(self) -> None:
        if not self._is_showing:
            self._set_unsaved(True)
            self.edited.emit()

    def _on_redrawn(self) -> None:
        if not self._is_showing and self.check_unsaved():
            self.edited.emit()

    def check_unsaved(self) -> bool:
        """Compare the labels with the saved ones, and set `unsaved`."""
        layer = self.layer
        self._set_unsaved(layer is not None and self._draft.is_unsaved(layer.data))
        return self._is_unsaved

    def _set_unsaved(self, value: bool) -> None:
        if value != self._is_unsaved:
            self._is_unsaved = value
            self.unsaved_changed.emit(value)

    # --- changing labels

    def apply_edit(self, edit: Edit) -> None:
        """Make an edit, as one step of the layer's own undo.

        Raises
        ------
        BadInput
            If the layer was converted to a type of number that does not hold all ids.
        """
        layer = self.layer
        if layer is None or not edit:
            return
        if self._is_narrow:
            raise BadInput(self._why_narrow(layer))
        selected = layer.selected_label
        is_free = not np.any(layer.data == selected)
        with layer.block_history():
            layer.data_setitem(edit.index, edit.values)
        if is_free and np.any(edit.values == selected):
            # The next stroke would go on with the nucleus that the edit has just made.
            layer.selected_label = int(layer.data.max()) + 1
        self.check_unsaved()

    def merge_prediction(self, labels: np.ndarray) -> None:
        """Put a prediction (H, W) int32 of the session's model under what a hand has done.

        The undo history of the strokes stays: a prediction is no step of it, and as nuclei
        keep their ids, undoing a stroke brings back the pixels that were there before it,
        under ids that still fit.
        """
        if self.layer is None:
            return
        model = self.session.model.name if self.session.model else self._draft.model
        now = self.layer.data
        self._put(self._draft.merge(now, labels, model, is_saved=self._is_saved))
        self.check_unsaved()

    def show_saved(self) -> None:
        """Go back to the labels as they were saved last; unsaved strokes are dropped."""
        if self.opened is not None:
            self.session.note_pending(self.opened.sample.id, None)
            self._put(self._draft.go_back(self.opened.state.touched))
            self.check_unsaved()

    def _put(self, labels: np.ndarray) -> None:
        """Change the layer in place, past its undo history."""
        layer = self.layer
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

    # --- handing over to be saved

    def work(self, status: Status = Status.CORRECTED) -> Work | None:
        """Copy the labels, with all that is needed to save them; None if there are none."""
        if self.opened is None or self.layer is None:
            return None
        opened, by_model = self.opened, not self.is_protected
        sample, folder = opened.sample, self.session.folder_of(opened.sample)
        if self.is_foreign:
            self._refuse_foreign(sample)
            return None
        return Work(
            sample,
            folder,
            np.array(self.layer.data, np.int32),
            status,
            self._draft.model if by_model else "",
            tuple(self._draft.ever_touched(self.layer.data)),
            self._draft.prediction if by_model else None,
            opened.image_sha256,
            opened.saved_sha256 if folder == opened.folder else "",
        )

    def _why_narrow(self, layer: Labels) -> str:
        return (
            f"Layer “{layer.name}” was converted to {layer.data.dtype}, but ids of nuclei need "
            "int32: convert it back (right click on the layer)."
        )

    def _refuse_foreign(self, sample: Sample) -> None:
        assert self.layer is not None
        if self._is_narrow:
            why = self._why_narrow(self.layer)
            self.session.failed.emit(f"The labels of {sample.id} were not saved: {why}")
            return
        self.session.failed.emit(
            f"The labels of {sample.id} were replaced by others of the shape "
            f"{self.layer.data.shape}, but its image is {self.shape}: "
            "that layer is left as it is; save it with File > Save."
        )

    def leave(self) -> None:
        """Hand unsaved labels over, unless they wait to be saved already."""
        if self.opened is None or self.layer is None or not self.check_unsaved():
            return
        waiting = self.session.pending.get(self.opened.sample.id)
        if waiting is not None and np.array_equal(waiting.labels, self.layer.data):
            return
        work = self.work()
        if work is not None:
            self.handed_over.emit(work)

    def note_saved(self, work: Work, state: SampleState) -> None:
        """Take note that a copy of the labels was saved; strokes since then stay unsaved."""
        self.saved.emit(work.sample)
        if self.opened is None or self.opened.sample is not work.sample:
            return
        self.opened = replace(
            self.opened,
            origin=Origin.CORRECTION,
            state=state,
            folder=work.folder,
            saved_sha256=state.labels_sha256,
            recovery=None,
        )
        self._draft.reference = work.labels
        self.check_unsaved()
