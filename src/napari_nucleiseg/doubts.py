"""Which nuclei a person should look at first, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.measure import label

from napari_nucleiseg import shapes
from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.confidence import confidence
from napari_nucleiseg.labels import byte_maps, unit_maps
from napari_nucleiseg.numbering import number
from napari_nucleiseg.regions import measure_regions

# Sizes are judged where there are this many nuclei.
_ENOUGH = 8
# A speck has less than this share of the median area, and less than this area [px²].
_SPECK_SHARE, _SPECK_AREA = 0.1, 200
# Sizes are outliers beyond this many spreads of the log area; the least spread believed.
_OUTLIER, _LEAST_SPREAD = 3.0, 0.35
# Depth of the deepest bay of the outline, as share of the root of the area, and the least
# area [px²] that has a shape.
_BAY, _SHAPED_AREA = 0.15, 40
# Confidence of a nucleus that the network is sure of, and its mean foreground where the network
# has two classes and sees neither distance nor border, by which confidence is judged.
_SURE, _SURE_FOREGROUND = 0.85, 0.7
# Highest score of what is wrong in one nucleus of four or five, seen on training images
# (`benchmarks/doubts.py`).
_SLIGHT = 0.25
# Share of the pixels well inside a nucleus where the network sees a border.
_BORDER_INSIDE, _BORDER = 0.05, 0.5
_WELL_INSIDE = 2  # [px] from the outline


@dataclass(frozen=True)
class Doubt:
    """A reason to look at one nucleus.

    Attributes
    ----------
    id : int
    kind : str
        The gravest reason: "fragments", "hole", "speck", "small", "large", "merged",
        "unsure" or "border".
    score : float
        In [0, 1]; the higher, the more doubtful.
    bbox : (top, left, bottom, right)
        Pixels; bottom and right are the first outside.
    text : str
        All reasons, for a person.
    """

    id: int
    kind: str
    score: float
    bbox: tuple[int, int, int, int]
    text: str


@dataclass(frozen=True)
class _Nuclei:
    """Labels renumbered 1..n, with what is asked of them more than once.

    Attributes
    ----------
    labels : (H, W) int32
    ids : (n,) int64
        Before they were renumbered.
    boxes : list of (slice, slice)
        Rows and columns of each nucleus.
    area : (n,) int64
        px².
    at_edge : (n,) bool
        Whether it reaches the edge of the image.
    """

    labels: np.ndarray
    ids: np.ndarray
    boxes: list[tuple[slice, slice]]
    area: np.ndarray
    at_edge: np.ndarray


# Of one nucleus, by its index from 0: kind, score and text.
_Reason = tuple[int, str, float, str]


def find_doubts(labels: np.ndarray, maps: np.ndarray | None = None) -> list[Doubt]:
    """List the nuclei that look wrong, the most doubtful first, each once.

    Parameters
    ----------
    labels : (H, W) int
    maps : (H, W, 3) uint8 or float32, optional
        Foreground, distance and border: what the network was unsure of is listed too.

    Raises
    ------
    ValueError
        If maps and labels differ in size.
    """
    if maps is not None and maps.shape[:2] != labels.shape:
        raise ValueError(f"Labels are {labels.shape}, maps {maps.shape[:2]}; expected one size.")
    nuclei = _nuclei(labels)
    if not len(nuclei.ids):
        return []
    reasons: dict[int, list[_Reason]] = {}
    for reason in _reasons(nuclei, maps):
        reasons.setdefault(reason[0], []).append(reason)
    doubts = [_doubt(nuclei, index, found) for index, found in reasons.items()]
    return sorted(doubts, key=lambda doubt: (-doubt.score, doubt.id))


def _nuclei(labels: np.ndarray) -> _Nuclei:
    ids, area, numbers = number(labels)
    renumbered = (numbers + 1).astype(np.int32).reshape(labels.shape)
    boxes = ndimage.find_objects(renumbered)
    at_edge = [
        any(
            side.start == 0 or side.stop == size
            for side, size in zip(box, labels.shape, strict=True)
        )
        for box in boxes
    ]
    return _Nuclei(renumbered, ids, boxes, area, np.array(at_edge, bool))


def _doubt(nuclei: _Nuclei, index: int, reasons: list[_Reason]) -> Doubt:
    reasons = sorted(reasons, key=lambda reason: -reason[2])
    y, x = nuclei.boxes[index]
    return Doubt(
        id=int(nuclei.ids[index]),
        kind=reasons[0][1],
        score=float(1 - np.prod([1 - score for _, _, score, _ in reasons])),
        bbox=(y.start, x.start, y.stop, x.stop),
        text="; ".join(text for _, _, _, text in reasons),
    )


def _reasons(nuclei: _Nuclei, maps: np.ndarray | None) -> Iterator[_Reason]:
    yield from _fragments(nuclei)
    yield from _holes(nuclei)
    yield from _sizes(nuclei)
    yield from _merged(nuclei)
    if maps is not None:
        yield from _unsure(nuclei, maps)
        yield from _borders(nuclei, maps)


def _fragments(nuclei: _Nuclei) -> Iterator[_Reason]:
    pieces = label(nuclei.labels, connectivity=2)
    areas = np.bincount(pieces.ravel())
    owner = np.zeros(len(areas), np.int64)
    owner[pieces.ravel()] = nuclei.labels.ravel()
    count = np.bincount(owner[1:], minlength=len(nuclei.ids) + 1)[1:]
    largest = np.zeros(len(nuclei.ids) + 1, np.int64)
    np.maximum.at(largest, owner, areas)
    loose = 1 - largest[1:] / nuclei.area
    for index in np.flatnonzero(count > 1):
        score = min(1.0, 0.6 + loose[index])
        yield int(index), "fragments", score, f"{count[index]} separate pieces under one id"


def _holes(nuclei: _Nuclei) -> Iterator[_Reason]:
    """Background that touches one nucleus only, and not the image's edge."""
    count, pools = cv2.connectedComponents((nuclei.labels == 0).astype(np.uint8), connectivity=4)
    lowest = np.full(count, np.iinfo(np.int32).max)
    highest = np.zeros(count, np.int64)
    for pool, shore in _shores(pools, nuclei.labels):
        np.minimum.at(lowest, pool, shore)
        np.maximum.at(highest, pool, shore)
    open_pools = np.concatenate([pools[0], pools[-1], pools[:, 0], pools[:, -1]])
    highest[open_pools] = 0
    areas = np.bincount(pools.ravel(), minlength=count)
    areas[0] = 0
    enclosed = np.flatnonzero((lowest == highest) & (areas > 0))
    hole = np.bincount(lowest[enclosed], areas[enclosed], minlength=len(nuclei.ids) + 1)[1:]
    for index in np.flatnonzero(hole):
        score = min(1.0, 0.4 + 3 * hole[index] / nuclei.area[index])
        yield int(index), "hole", score, f"hole of {int(hole[index])} px²"


def _shores(pools: np.ndarray, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of background pool and nucleus that share an edge, in the four directions."""
    here, there = (slice(None, -1), slice(None)), (slice(1, None), slice(None))
    for a, b in (
        (here, there),
        (there, here),
        (here[::-1], there[::-1]),
        (there[::-1], here[::-1]),
    ):
        touching = (pools[a] > 0) & (labels[b] > 0)
        yield pools[a][touching], labels[b][touching]


def _sizes(nuclei: _Nuclei) -> Iterator[_Reason]:
    whole = nuclei.area[~nuclei.at_edge]
    if len(whole) < _ENOUGH:
        return
    typical = float(np.median(whole))
    spread = 1.4826 * np.median(np.abs(np.log(whole / typical)))
    deviation = np.log(nuclei.area / typical) / max(spread, _LEAST_SPREAD)
    for index, area in enumerate(nuclei.area.tolist()):
        share = area / typical
        text = f"{area} px², {share:.2g} times the median"
        score = float(min(0.95, 0.3 + max(0.0, abs(deviation[index]) - _OUTLIER) / 6))
        if share < _SPECK_SHARE and area < _SPECK_AREA and not nuclei.at_edge[index]:
            yield index, "speck", max(0.5, score), f"speck of {text}"
        elif deviation[index] < -_OUTLIER and not nuclei.at_edge[index]:
            yield index, "small", score, f"small: {text}"
        elif deviation[index] > _OUTLIER:
            yield index, "large", score, f"large: {text}"


def _merged(nuclei: _Nuclei) -> Iterator[_Reason]:
    for index in np.flatnonzero(nuclei.area >= _SHAPED_AREA):
        mask = nuclei.labels[nuclei.boxes[index]] == index + 1
        bay = shapes.bays(shapes.outline(mask, 80)).max() / np.sqrt(nuclei.area[index])
        if bay > _BAY:
            score = float(min(_SLIGHT, 0.1 + 0.6 * (bay - _BAY)))
            yield int(index), "merged", score, "notched outline, perhaps two nuclei"


def _unsure(nuclei: _Nuclei, maps: np.ndarray) -> Iterator[_Reason]:
    regions = measure_regions(nuclei.labels, byte_maps(maps))
    if maps[..., 1].any():
        sure, least = confidence(regions)[1:], _SURE
    else:
        sure, least = regions.maps[1:, 0] / regions.area[1:], _SURE_FOREGROUND
    for index in np.flatnonzero(sure < least):
        yield int(index), "unsure", float(1 - sure[index]), f"{sure[index]:.0%} likely a nucleus"


def _borders(nuclei: _Nuclei, maps: np.ndarray) -> Iterator[_Reason]:
    size = 2 * _WELL_INSIDE + 1
    # float32 holds numbers up to 2**24, more than an image has nuclei; OpenCV has no int32.
    numbers = nuclei.labels.astype(np.float32)
    square = np.ones((size, size), np.uint8)
    inside = cv2.erode(numbers, square) == cv2.dilate(numbers, square)
    seen = inside & (unit_maps(maps[..., 2]) > _BORDER)
    count = np.bincount(nuclei.labels[seen], minlength=len(nuclei.ids) + 1)[1:]
    core = np.bincount(nuclei.labels[inside], minlength=len(nuclei.ids) + 1)[1:]
    share = count / np.maximum(core, 1)
    for index in np.flatnonzero(share > _BORDER_INSIDE):
        score = float(min(_SLIGHT, 0.1 + share[index] / 2))
        yield int(index), "border", score, f"a border inside it, {share[index]:.0%} of it"
