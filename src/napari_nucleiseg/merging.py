"""Putting a new prediction under what a hand has drawn: arrays to arrays."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from napari_nucleiseg.spans import find_runs, look_up


@dataclass(frozen=True, eq=False)
class HandWork:
    """What a hand has done to labels since they were shown.

    Attributes
    ----------
    touched : frozenset of int
        Ids of nuclei that exist and that a hand has drawn on, or cut from.
    erased : (H, W) bool
        Pixels that a hand has made background.
    """

    touched: frozenset[int]
    erased: np.ndarray


def find_hand_work(shown: np.ndarray, labels: np.ndarray) -> HandWork:
    """Compare labels with what was shown at first.

    Parameters
    ----------
    shown, labels : (H, W) int32
        Before and after.

    Returns
    -------
    HandWork
        What was undone does not count.
    """
    erased = (labels == 0) & (shown != 0)
    return HandWork(alive(changed_ids(shown, labels), labels), erased)


def changed_ids(shown: np.ndarray, labels: np.ndarray) -> frozenset[int]:
    """Give the ids that gained or lost pixels; both images are (H, W) int32."""
    changed = np.flatnonzero(shown.ravel() != labels.ravel())
    return frozenset(np.union1d(labels.ravel()[changed], shown.ravel()[changed]).tolist())


def alive(ids: Collection[int], labels: np.ndarray) -> frozenset[int]:
    """Give those of some ids that are nuclei of a label image (H, W) int32."""
    if not ids:
        return frozenset()
    # Of a run of equal pixels one is looked at: this is asked in the window's thread.
    there = labels.ravel()[find_runs(labels)[0]]
    wanted = np.array(sorted(ids))
    return frozenset(wanted[np.isin(wanted, there)].tolist())


def merge_prediction(
    labels: np.ndarray,
    prediction: np.ndarray,
    touched: Collection[int],
    erased: np.ndarray,
    first_free: int = 1,
) -> np.ndarray:
    """Replace all nuclei by a prediction, but those that a hand has touched.

    A predicted nucleus that lies for the greater part on touched nuclei or on what a hand
    has erased is left out; others lose only the pixels that lie there. A nucleus that was there
    before keeps its id, so that colours stay and undo steps of earlier strokes still fit.

    Parameters
    ----------
    labels : (H, W) int32
        As shown now.
    prediction : (H, W) int32
    touched : collection of int
        Ids in `labels` that stay as they are.
    erased : (H, W) bool
        Pixels that stay background.
    first_free : int
        New ids are this or higher, and higher than all in `labels`.

    Returns
    -------
    (H, W) int32

    Raises
    ------
    ValueError
        If the sizes differ.
    """
    if not labels.shape == prediction.shape == erased.shape:
        raise ValueError(
            f"Labels are {labels.shape}, prediction {prediction.shape}, erased {erased.shape};"
            " expected one size."
        )
    highest = int(labels.max(initial=0))
    is_touched = np.zeros(highest + 1, bool)
    is_touched[[each for each in touched if 0 < each <= highest]] = True
    kept = look_up(is_touched, labels, np.zeros(labels.shape, bool)) if is_touched.any() else None
    taken = erased if kept is None else kept | erased
    fresh = max(first_free, highest + 1)
    ids = _choose_ids(labels, prediction, is_touched, taken, fresh)
    merged = look_up(ids, prediction, np.empty(labels.shape, np.int32))
    merged[taken] = 0
    if kept is not None:
        merged[kept] = labels[kept]
    return merged


def _choose_ids(
    labels: np.ndarray,
    prediction: np.ndarray,
    is_touched: np.ndarray,
    taken: np.ndarray,
    first_free: int,
) -> np.ndarray:
    """Give each predicted id its id in the merged labels; 0 leaves it out."""
    starts, pixels = find_runs(prediction, labels, taken)
    new, old = prediction.ravel()[starts], labels.ravel()[starts]
    hides = taken.ravel()[starts]
    count = int(prediction.max(initial=0)) + 1
    area = np.bincount(new, pixels, minlength=count)
    hidden = np.bincount(new[hides], pixels[hides], minlength=count)
    wanted = (area > 0) & (2 * hidden < area)
    ids = np.zeros(count, np.int32)
    may_follow = (old > 0) & ~is_touched[old]
    for heir, id_ in _successors(*(each[may_follow] for each in (new, old, pixels))):
        if wanted[heir]:
            ids[heir] = id_
    fresh = np.flatnonzero(wanted & (ids == 0))
    ids[fresh] = first_free + np.arange(len(fresh))
    return ids


def _successors(new: np.ndarray, old: np.ndarray, pixels: np.ndarray) -> list[tuple[int, int]]:
    """Pair predicted nuclei with the one of before that they share most pixels with.

    Each old id goes to one new nucleus, that with most of its pixels.
    """
    width = int(old.max(initial=0)) + 1
    pairs, which = np.unique(new.astype(np.int64) * width + old, return_inverse=True)
    shared = np.bincount(which, pixels, minlength=len(pairs))
    found: dict[int, int] = {}
    used: set[int] = set()
    for key in pairs[np.argsort(-shared, kind="stable")].tolist():
        heir, id_ = divmod(key, width)
        if heir not in found and id_ not in used:
            found[heir] = id_
            used.add(id_)
    return list(found.items())
