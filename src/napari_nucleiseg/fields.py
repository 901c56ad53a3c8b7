"""Which images are parts of one field of view.

A network that was trained on one crop of a field knows its neighbour. So samples that
belong together are found before they are split, from four signs:

- the field that a table gives them;
- names of tiles, time points and planes: ``slide_x0_y1``, ``slide_r1_c2``, ``slide_tile3``,
  ``slide_0_1``, ``pos1_t001``, ``stack_z03``, ``frame_0001``;
- the same pixels under two names;
- edges that continue: the last column (or row) of one image and the first of another of
  the same size are alike, as neighbouring columns of one image are.

Images that overlap, or that are turned against each other, are found by their names only.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.images import read_image
from napari_nucleiseg.sample import Sample

# Edges continue where they correlate, also without their slow part (uneven light is alike
# in all images of a microscope), and differ hardly more than neighbouring columns within
# an image do.
_CORRELATION, _FINE_CORRELATION, _STEP = 0.7, 0.5, 1.25
_FINE_WIDTH = 25
_EDGE_LENGTH = 512
_ROWS_AT_ONCE = 512

_SERIES = r"time|frame|slice|plane"
_WORD = rf"(?:x|y|row|col|column|r|c|tile|crop|patch|part|quadrant|t|z|{_SERIES})"
_PART = rf"(?:[_\-. ]+{_WORD}[_\-. ]?\d+|(?<=\d)[xytz]\d+)"
_PARTS = re.compile(
    rf"{_PART}+$|[_\-. ]+\d{{1,5}}[_\-]\d{{1,5}}$|^(?:{_SERIES})[_\-. ]?\d+{_PART}*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Edges:
    """What is kept of an image to compare it with others.

    Attributes
    ----------
    shape : tuple of int
    digest : str
        Of all pixels.
    outer : tuple of (n,) float32
        Left, right, top and bottom edge, channels averaged.
    step : tuple of float
        Mean squared difference of each edge to the next column or row inside.
    """

    shape: tuple[int, ...]
    digest: str
    outer: tuple[np.ndarray, ...]
    step: tuple[float, ...]


def find_fields(samples: Sequence[Sample]) -> dict[str, str]:
    """Find the field of view of each sample.

    All images are read, in threads; one that cannot be read is compared by name alone.
    The edges of 10,000 images of one size take some seconds to compare and 100 MB.

    Measured on DSB2018 by ``benchmarks/find_fields.py``, from the images alone: 95 % of the
    456 pairs in the dataset's table are found, and as many again that the table lacks. All
    476 continuing edges fit into grids without contradiction; where no edge can continue,
    3 are accepted. Edges of fewer than 128 px tell less.

    Parameters
    ----------
    samples : sequence of Sample

    Returns
    -------
    dict of str to str
        Field for each sample's id. Names of fields are stable for the same samples.
    """
    groups = _Groups(each.id for each in samples)
    groups.join_all(_same_value((each.id, each.field) for each in samples))
    stems = {each.id: _stem(each) for each in samples}
    if len(set(stems.values())) > 1:  # one stem for all would leave nothing to hold out
        groups.join_all(_same_value(stems.items()))
    with ThreadPoolExecutor() as threads:
        edges = dict(zip((e.id for e in samples), threads.map(_read_edges, samples), strict=True))
    readable = {name: each for name, each in edges.items() if each is not None}
    groups.join_all(_same_value((name, each.digest) for name, each in readable.items()))
    groups.join_all((one, other) for one, other, _ in neighbours(readable))
    return groups.names({each.id: each.field for each in samples})


class _Groups:
    """Disjoint sets of names."""

    def __init__(self, names: Iterable[str]) -> None:
        self._parent = {name: name for name in names}

    def find(self, name: str) -> str:
        while self._parent[name] != name:
            self._parent[name] = self._parent[self._parent[name]]
            name = self._parent[name]
        return name

    def join_all(self, pairs: Iterable[tuple[str, str]]) -> None:
        for one, other in pairs:
            low, high = sorted((self.find(one), self.find(other)))
            self._parent[high] = low

    def names(self, given: dict[str, str]) -> dict[str, str]:
        """Call each group by the first field given in it, else by its first member."""
        found = {name: self.find(name) for name in self._parent}
        titles: dict[str, str] = {}
        for name in sorted(found):
            if given.get(name):
                titles.setdefault(found[name], given[name])
        return {name: titles.get(root, root) for name, root in found.items()}


def _same_value(values: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Pair the names whose values are equal and not empty."""
    first: dict[str, str] = {}
    for name, value in values:
        if value:
            yield first.setdefault(value, name), name


def _stem(sample: Sample) -> str:
    """Name of what a tile or a frame is a part of; empty where the name tells of none."""
    name = sample.folder.name  # in the Kaggle layout, that of the sample's own folder
    base = _PARTS.sub("", name)
    return f"{sample.folder.parent}/{base}" if base != name else ""


def _read_edges(sample: Sample) -> Edges | None:
    try:
        return edges_of(read_image(sample.image_path))
    except BadInput:
        return None


def edges_of(image: np.ndarray) -> Edges:
    """Take the four edges of an image.

    Parameters
    ----------
    image : (H, W) or (H, W, C)
    """
    pairs = (image[:, :2], image[:, :-3:-1], image[:2].swapaxes(0, 1), image[:-3:-1].swapaxes(0, 1))
    lines = [_lines(pair) for pair in pairs]
    return Edges(
        image.shape,
        hashlib.sha256(np.ascontiguousarray(image).data).hexdigest(),
        tuple(np.ascontiguousarray(pair[:, 0]) for pair in lines),
        tuple(float(np.mean((pair[:, 0] - pair[:, -1]) ** 2)) for pair in lines),
    )


def _lines(pair: np.ndarray) -> np.ndarray:
    """Bring an edge and its neighbour to (n, 2) float32, n at most `_EDGE_LENGTH`."""
    thinned = pair[:: -(-len(pair) // _EDGE_LENGTH)].astype(np.float32)
    return thinned.mean(axis=2) if thinned.ndim == 3 else thinned


def neighbours(edges: Mapping[str, Edges]) -> Iterator[tuple[str, str, str]]:
    """Pair the images whose edges continue each other, left to right and top to bottom.

    Parameters
    ----------
    edges : mapping of str to Edges

    Yields
    ------
    (str, str, str)
        An image, its neighbour, and where that lies: "right" or "below".
    """
    by_shape: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name, each in edges.items():
        by_shape[each.shape].append(name)
    for names in by_shape.values():
        for ending, beginning, side in ((1, 0, "right"), (3, 2, "below")):
            one = np.stack([edges[name].outer[ending] for name in names])
            other = np.stack([edges[name].outer[beginning] for name in names])
            steps = np.array([[edges[n].step[ending], edges[n].step[beginning]] for n in names])
            for i, j in _continuing(one, other, steps):
                yield names[i], names[j], side


def _continuing(one: np.ndarray, other: np.ndarray, steps: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pair rows of two arrays that are each other's best match, and a good one.

    Parameters
    ----------
    one, other : (N, n) float32
    steps : (N, 2)
        Mean squared step from each edge into its own image.
    """
    best, back = _best_matches(_standardised(one), _standardised(other))
    i = np.flatnonzero((back[best] == np.arange(len(best))) & (best != np.arange(len(best))))
    j = best[i]
    expected = (steps[i, 0] + steps[j, 1]) / 2
    alike = np.mean((one[i] - other[j]) ** 2, axis=1) < _STEP**2 * expected
    alike &= _correlation(one[i], other[j]) > _CORRELATION
    alike &= _correlation(_fine(one[i]), _fine(other[j])) > _FINE_CORRELATION
    yield from zip(i[alike].tolist(), j[alike].tolist(), strict=True)


def _standardised(lines: np.ndarray) -> np.ndarray:
    centred = lines - lines.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)


def _fine(lines: np.ndarray) -> np.ndarray:
    if not len(lines):
        return lines
    return lines - cv2.blur(lines, (_FINE_WIDTH, 1), borderType=cv2.BORDER_REPLICATE)


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", _standardised(one), _standardised(other))


def _best_matches(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row the most alike row of the other array, itself excluded."""
    best = np.zeros(len(one), np.int64)
    back, height = np.zeros(len(other), np.int64), np.full(len(other), -np.inf, np.float32)
    for start in range(0, len(one), _ROWS_AT_ONCE):
        alike = one[start : start + _ROWS_AT_ONCE] @ other.T
        rows = np.arange(len(alike))
        alike[rows, start + rows] = -np.inf
        best[start + rows] = alike.argmax(axis=1)
        highest = alike.argmax(axis=0)
        better = alike[highest, np.arange(len(other))] > height
        back[better] = start + highest[better]
        height[better] = alike[highest, np.arange(len(other))][better]
    return best, back
