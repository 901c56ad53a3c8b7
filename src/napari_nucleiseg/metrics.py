"""Scores: how well predicted labels agree with true ones.

Which nuclei correspond is decided in `matching`.

Sources: Caicedo et al. 2019 (doi:10.1038/s41592-019-0612-7) for AP, Kirillov et al. 2019
(arXiv:1801.00868) for panoptic quality, Efron and Tibshirani 1993 and Hesterberg 2015
for the bootstrap.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtrit

from napari_nucleiseg.matching import overlaps

# Written out: np.arange would give .6000000000000001, and an IoU of 3/5 would miss it.
IOUS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
AT_50_70_90 = (0, 4, 8)
"""Places of .5, .7 and .9 in `IOUS`."""
_RESAMPLES, _CONFIDENCE = 20_000, 0.95


@dataclass(frozen=True)
class Scores:
    """Counts of one image, or of many pooled, and the scores that follow from them.

    Where neither side has a nucleus every score is 1; where only one side has, it is 0. Only
    the pixel accuracy counts background, too: there it is the share of it.

    Attributes
    ----------
    n_true, n_pred : int
        Nuclei.
    tp : tuple of 10 int
        Matched pairs at each of `IOUS`.
    iou_sum : float
        Sum of the IoU of the pairs at .5.
    splits, merges : int
        True nuclei cut into several, and predicted nuclei that join several; see
        `matching.outcomes`.
    pixels, pixels_true, pixels_pred, pixels_both : int
        Pixels of the image, of true and predicted foreground, and of both at once.
    """

    n_true: int
    n_pred: int
    tp: tuple[int, ...]
    iou_sum: float
    splits: int
    merges: int
    pixels: int
    pixels_true: int
    pixels_pred: int
    pixels_both: int

    @property
    def fp(self) -> tuple[int, ...]:
        """Predicted nuclei without a partner, at each of `IOUS`."""
        return tuple(self.n_pred - tp for tp in self.tp)

    @property
    def fn(self) -> tuple[int, ...]:
        """True nuclei without a partner, at each of `IOUS`."""
        return tuple(self.n_true - tp for tp in self.tp)

    @property
    def ap(self) -> tuple[float, ...]:
        """TP / (TP + FP + FN) at each of `IOUS`."""
        return tuple(_ratio(tp, self.n_true + self.n_pred - tp) for tp in self.tp)

    @property
    def mean_ap(self) -> float:
        """Mean of `ap`: the score of the Data Science Bowl 2018 for one image."""
        return float(np.mean(self.ap))

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN) at IoU .5."""
        return _ratio(2 * self.tp[0], self.n_true + self.n_pred)

    @property
    def precision(self) -> float:
        """TP / (TP + FP) at IoU .5; 0 where nothing is predicted and something is there."""
        return _ratio(self.tp[0], self.n_pred, empty=float(self.n_true == 0))

    @property
    def recall(self) -> float:
        """TP / (TP + FN) at IoU .5; 0 where something is predicted and nothing is there."""
        return _ratio(self.tp[0], self.n_true, empty=float(self.n_pred == 0))

    @property
    def panoptic_quality(self) -> float:
        """Mean IoU of the pairs times F1, at IoU .5."""
        return _ratio(2 * self.iou_sum, self.n_true + self.n_pred)

    @property
    def dice(self) -> float:
        """Dice coefficient of the foregrounds."""
        return _ratio(2 * self.pixels_both, self.pixels_true + self.pixels_pred)

    @property
    def iou(self) -> float:
        """IoU of the foregrounds."""
        return _ratio(self.pixels_both, self.pixels_true + self.pixels_pred - self.pixels_both)

    @property
    def pixel_accuracy(self) -> float:
        """Share of pixels that are foreground in both or background in both."""
        wrong = self.pixels_true + self.pixels_pred - 2 * self.pixels_both
        return _ratio(self.pixels - wrong, self.pixels)

    def as_dict(self) -> dict[str, Any]:
        """Give counts and scores as plain numbers and lists, fit for JSON."""
        plain = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        plain |= {name: getattr(self, name) for name in ("fp", "fn", *SCORE_NAMES)}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in plain.items()}


SCORE_NAMES = (
    "ap",
    "mean_ap",
    "f1",
    "precision",
    "recall",
    "panoptic_quality",
    "dice",
    "iou",
    "pixel_accuracy",
)


@dataclass(frozen=True)
class Interval:
    """A mean and the interval that covers it with 95 % confidence."""

    mean: float
    low: float
    high: float


def scores(labels_true: np.ndarray, labels_pred: np.ndarray) -> Scores:
    """Score the predicted labels of one image against the true ones.

    Parameters
    ----------
    labels_true, labels_pred : (H, W) int
        Instance ids, not necessarily sequential; 0 is background.

    Raises
    ------
    ValueError
        If the shapes differ, an id is negative, or the dtype is not integer.
    """
    found = overlaps(labels_true, labels_pred)
    matches = [found.match(threshold) for threshold in IOUS]
    return Scores(
        n_true=len(found.ids_true),
        n_pred=len(found.ids_pred),
        tp=tuple(each.tp for each in matches),
        iou_sum=float(matches[0].ious.sum()),
        splits=len(found.split()),
        merges=len(found.merged()),
        pixels=int(labels_true.size),
        pixels_true=int(found.area_true.sum()),
        pixels_pred=int(found.area_pred.sum()),
        pixels_both=int(found.shared.sum()),
    )


def pool(images: Sequence[Scores]) -> Scores:
    """Add the counts of several images, as if they were one large image."""
    fields = [each.name for each in dataclasses.fields(Scores) if each.name != "tp"]
    sums = {name: sum(getattr(each, name) for each in images) for name in fields}
    return Scores(tp=tuple(int(n) for n in np.sum([each.tp for each in images], axis=0)), **sums)


def summary(images: Sequence[Scores]) -> dict[str, Any]:
    """Summarise the scores of many images.

    Returns
    -------
    dict
        "images", "ious"; "mean": each score as mean over images, so that an image counts
        the same whatever it holds ("ap" is a list along "ious", and "mean_ap" is DSB2018's
        score); "pooled": counts and scores of all nuclei together, where a crowded image
        counts more. Plain numbers, fit for JSON.

    Raises
    ------
    ValueError
        If there is no image.
    """
    if not images:
        raise ValueError("There is no image to summarise; at least one with annotation is needed.")
    means = {
        name: np.mean([getattr(each, name) for each in images], axis=0).tolist()
        for name in SCORE_NAMES
    }
    return {
        "images": len(images),
        "ious": list(IOUS),
        "mean": means,
        "pooled": pool(images).as_dict(),
    }


def bootstrap_interval(
    values: Sequence[float], *, groups: Sequence[Hashable] | None = None
) -> Interval:
    """Estimate how certain a mean is: a 95 % interval, the same at each call.

    Parameters
    ----------
    values : (n,) float
        One an image: its score, or its difference between two models.
    groups : (n,) hashable, optional
        Field of each image. Fields are drawn whole, because crops of one field resemble
        each other and would make the interval too narrow.

    Raises
    ------
    ValueError
        If there is no value, or the lengths differ.
    """
    sample = np.asarray(values, np.float64)
    if groups is not None and len(groups) != len(sample):
        raise ValueError(f"groups has {len(groups)} entries; expected {len(sample)}, one an image.")
    if len(sample) == 0:
        raise ValueError("There is no score to judge; at least one image is needed.")
    fields = range(len(sample)) if groups is None else groups
    numbers = {field: number for number, field in enumerate(dict.fromkeys(fields))}
    index = [numbers[field] for field in fields]
    sums, sizes = np.bincount(index, sample), np.bincount(index)
    drawn = np.random.default_rng(0).integers(len(sums), size=(_RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = _tail(len(sums))
    low, high = np.quantile(means, (tail, 1 - tail))
    return Interval(float(sample.mean()), float(low), float(high))


def _tail(count: int) -> float:
    """Give the share of resamples beyond each end of an interval of the mean of few values.

    Plain percentiles are too narrow for few values: those of five leave out the true mean in
    15 % of cases instead of 5 %. These are moved to where an interval by Student's t would
    end ("expanded percentile", Hesterberg 2015, The American Statistician 69, 371).
    """
    if count == 1:
        return (1 - _CONFIDENCE) / 2
    widen = np.sqrt(count / (count - 1))
    return float(ndtr(-widen * stdtrit(count - 1, (1 + _CONFIDENCE) / 2)))


def _ratio(part: float, whole: float, empty: float = 1.0) -> float:
    return float(part / whole) if whole else empty
