"""Which true nucleus corresponds to which predicted one.

Two nuclei match when their intersection over union (IoU) reaches a threshold, each with
one partner at most. As in StarDist, an IoU equal to the threshold is a match, and where
partners compete (possible only at .5 and below) the assignment with most pairs, then
the largest sum of IoU, is taken. The Data Science Bowl 2018 asks for an IoU *above* the
threshold, which differs for exact ties alone.

The two label images are read once, in `overlaps`; all else works on the short list of
pairs that share a pixel.

Source: Schmidt et al. 2018 (doi:10.1007/978-3-030-00934-2_30).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_nucleiseg.numbering import count, number

# A part of a split or merged nucleus counts when it has this share of the largest part.
SMALLEST_PART = 0.1


@dataclass(frozen=True)
class Match:
    """Which true nucleus corresponds to which predicted one at one IoU threshold.

    Attributes
    ----------
    pairs : (n, 2) int64
        Ids of matched nuclei: true, predicted. Ascending by true id.
    ious : (n,) float64
        IoU of each pair.
    missed, extra : (m,) int64
        True ids, and predicted ids, without a partner; ascending.
    """

    pairs: np.ndarray
    ious: np.ndarray
    missed: np.ndarray
    extra: np.ndarray

    @property
    def tp(self) -> int:
        """Pairs."""
        return len(self.pairs)


@dataclass(frozen=True)
class Outcomes:
    """What became of each nucleus, for a layer that shows the errors.

    A nucleus may stand in two lists: a split nucleus is mostly a missed one too.

    Attributes
    ----------
    missed, split : (m,) int64
        True ids without a partner, and true ids cut into several predicted nuclei.
    extra, merged : (m,) int64
        Predicted ids without a partner, and predicted ids that join several true nuclei.
    """

    missed: np.ndarray
    extra: np.ndarray
    split: np.ndarray
    merged: np.ndarray


@dataclass(frozen=True)
class Overlaps:
    """Every pair of nuclei that share a pixel.

    Attributes
    ----------
    ids_true, ids_pred, area_true, area_pred : (m,) int64
        Ids, ascending, and areas [px²] of all nuclei.
    rows, columns, shared : (n,) int64
        Of each pair: index into the true and the predicted nuclei, and shared pixels.
    """

    ids_true: np.ndarray
    ids_pred: np.ndarray
    area_true: np.ndarray
    area_pred: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    shared: np.ndarray

    @property
    def iou(self) -> np.ndarray:
        """IoU of each pair."""
        union = self.area_true[self.rows] + self.area_pred[self.columns] - self.shared
        return self.shared / union

    def match(self, threshold: float) -> Match:
        """Pair true with predicted nuclei whose IoU is `threshold` or more, one to one.

        Raises
        ------
        ValueError
            If `threshold` is not in (0, 1].
        """
        if not 0 < threshold <= 1:
            raise ValueError(f"The threshold is {threshold}; expected more than 0 and at most 1.")
        iou = self.iou
        keep = np.flatnonzero(iou >= threshold)
        keep = keep[_best_pairs(self.rows[keep], self.columns[keep], iou[keep])]
        rows, columns = self.rows[keep], self.columns[keep]
        return Match(
            np.stack([self.ids_true[rows], self.ids_pred[columns]], axis=1),
            iou[keep],
            np.delete(self.ids_true, rows),
            np.delete(self.ids_pred, columns),
        )

    def split(self) -> np.ndarray:
        """Ids of true nuclei in several parts; see `outcomes`."""
        inside = 2 * self.shared > self.area_pred[self.columns]
        return self.ids_true[_in_parts(self.rows[inside], self.shared[inside])]

    def merged(self) -> np.ndarray:
        """Ids of predicted nuclei that join several; see `outcomes`."""
        inside = 2 * self.shared > self.area_true[self.rows]
        return self.ids_pred[_in_parts(self.columns[inside], self.shared[inside])]


def outcomes(labels_true: np.ndarray, labels_pred: np.ndarray, iou: float = 0.5) -> Outcomes:
    """Say which nuclei were missed, invented, split or merged.

    A predicted nucleus is a part of a true one when more than half of its pixels lie in
    it. A true nucleus is split when it has two parts or more; a part smaller than
    `SMALLEST_PART` of the largest one is a speck and does not count. Merged is the same
    with the sides exchanged.

    Parameters
    ----------
    labels_true, labels_pred : (H, W) int
        Instance ids, not necessarily sequential; 0 is background.
    iou : float
        In (0, 1].

    Raises
    ------
    ValueError
        As `overlaps`, or if `iou` is out of range.
    """
    shared = overlaps(labels_true, labels_pred)
    found = shared.match(iou)
    return Outcomes(found.missed, found.extra, shared.split(), shared.merged())


def overlaps(labels_true: np.ndarray, labels_pred: np.ndarray) -> Overlaps:
    """List the pairs of nuclei that share a pixel.

    Parameters
    ----------
    labels_true, labels_pred : (H, W) int
        Instance ids, not necessarily sequential; 0 is background.

    Raises
    ------
    ValueError
        If the shapes differ, an id is negative, or the dtype is not integer.
    """
    labels_true, labels_pred = np.asarray(labels_true), np.asarray(labels_pred)
    if labels_true.shape != labels_pred.shape:
        raise ValueError(
            f"labels_true is {labels_true.shape} and labels_pred is {labels_pred.shape}; "
            "expected labels of one image, of one shape."
        )
    ids_true, area_true, true = number(labels_true, "labels_true")
    ids_pred, area_pred, pred = number(labels_pred, "labels_pred")
    both = np.flatnonzero((true >= 0) & (pred >= 0))
    width = max(1, len(ids_pred))
    pairs, shared = count(true[both] * width + pred[both], len(ids_true) * width)
    return Overlaps(ids_true, ids_pred, area_true, area_pred, pairs // width, pairs % width, shared)


def _in_parts(wholes: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Index of those wholes that have two parts or more, specks left out."""
    largest = np.zeros(wholes.max(initial=-1) + 1, np.int64)
    np.maximum.at(largest, wholes, areas)
    counted = wholes[areas >= SMALLEST_PART * largest[wholes]]
    return np.flatnonzero(np.bincount(counted) > 1)


def _best_pairs(rows: np.ndarray, columns: np.ndarray, iou: np.ndarray) -> np.ndarray:
    """Index of the candidate pairs to keep so that nobody has two partners.

    Most candidates are the only one of both sides. The others, few unless the threshold is
    far below .5, are assigned by the Hungarian method; 1 + IoU / n as weight puts the
    number of pairs before their IoU.
    """
    alone = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    rivals = np.flatnonzero(~alone)
    if not len(rivals):
        return np.arange(len(rows))
    _, row = np.unique(rows[rivals], return_inverse=True)
    _, column = np.unique(columns[rivals], return_inverse=True)
    candidate = np.full((row.max() + 1, column.max() + 1), -1)
    candidate[row, column] = rivals
    weight = np.zeros(candidate.shape)
    weight[row, column] = 1 + iou[rivals] / (min(candidate.shape) + 1)
    chosen = candidate[linear_sum_assignment(weight, maximize=True)]
    return np.sort(np.concatenate([np.flatnonzero(alone), chosen[chosen >= 0]]))
