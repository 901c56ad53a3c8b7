"""Labels of one image while a model and a hand are at work on them. No Qt, no files."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from napari_nucleiseg.merging import alive, changed_ids, find_hand_work, merge_prediction


class Draft:
    """Tells what a hand has done from what a model has, by comparing labels.

    Nothing is counted or listened to, so it does not matter by which way labels change.

    Parameters
    ----------
    labels : (H, W) int32
        As shown at first; copied.
    touched : collection of int
        Ids that a hand has touched before.
    prediction : (H, W) int32, optional
        What the model said when these labels were corrected. Where it saw a nucleus and the
        labels have none, a hand has erased it.
    model : str
        Which model that was.

    Attributes
    ----------
    reference : (H, W) int32
        The labels saved last; an untouched prediction counts as saved.
    prediction : (H, W) int32, or None
        The latest.
    model : str
        Its model.
    """

    def __init__(
        self,
        labels: np.ndarray,
        touched: Collection[int] = (),
        prediction: np.ndarray | None = None,
        model: str = "",
    ) -> None:
        self.reference = self._shown = labels.astype(np.int32)
        self.prediction, self.model = prediction, model
        self._touched = frozenset(touched)
        self._erased = np.zeros(labels.shape, bool)
        if prediction is not None:
            self._erased = (prediction > 0) & (labels == 0)
        self._first_free = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W)."""
        return self._shown.shape

    def is_unsaved(self, labels: np.ndarray) -> bool:
        """Whether labels, (H, W) int32, differ from those saved."""
        return not np.array_equal(labels, self.reference)

    def touched(self, labels: np.ndarray) -> frozenset[int]:
        """Give the ids that a hand has touched and that are in the labels, (H, W) int32."""
        return alive(self.ever_touched(labels), labels)

    def ever_touched(self, labels: np.ndarray) -> frozenset[int]:
        """Give the ids of `touched`, with those that are gone: found in a fifth of the time."""
        return self._touched | changed_ids(self._shown, labels)

    def add_touched(self, ids: Collection[int]) -> None:
        """Count more nuclei as touched by a hand."""
        self._touched |= frozenset(ids)

    def merge(
        self, labels: np.ndarray, prediction: np.ndarray, model: str, *, is_saved: bool
    ) -> np.ndarray:
        """Put a new prediction under what a hand has done.

        Parameters
        ----------
        labels : (H, W) int32
            As they are now.
        prediction : (H, W) int32
        model : str
        is_saved : bool
            Whether there are saved labels: then a difference to them is unsaved work.

        Returns
        -------
        (H, W) int32
            To be shown instead; see `merging.merge_prediction`.
        """
        hand = find_hand_work(self._shown, labels)
        self._touched |= hand.touched
        self._erased = (self._erased | hand.erased) & (labels == 0)
        merged = merge_prediction(labels, prediction, self._touched, self._erased, self._first_free)
        self._first_free = max(self._first_free, int(merged.max(initial=0)) + 1)
        self._shown, self.prediction, self.model = merged, prediction, model
        if not (is_saved or self._touched or self._erased.any()):
            self.reference = merged
        return merged

    def go_back(self, touched: Collection[int]) -> np.ndarray:
        """Drop what is unsaved; gives the labels to be shown instead, (H, W) int32."""
        self._touched = frozenset(touched)
        self._shown = self.reference
        return self._shown
