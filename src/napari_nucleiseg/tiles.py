"""Tiles of an image of any size, at the scale of a network.

Neighbouring tiles overlap by twice `MARGIN` and each keeps its centre, so a pixel is taken
only where the network saw its surroundings. Tiles start at multiples of the network's
coarsest stride, where a convolutional network gives the same answer as on the whole image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.config import PredictConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.models import Model

MARGIN = 32
"""What a tile computes and does not keep, on each side that has a neighbour [px].

A network sees much farther, but little of it counts. On fields of DSB2018 in tiles of 256
px, 1.7 % of the nuclei on a cut differ from those of one pass (IoU below .8) with this
margin, 1.3 % with twice and 1.2 % with three times as much: what is left comes from the
network's wide context and not from the cut. Blending instead of cutting changed nothing.
"""

MAX_SCALE = 16.0

_RESIZABLE = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in cells of `Layout`.

    Attributes
    ----------
    start, stop : int
        Where it lies.
    keep_start, keep_stop : int
        The part of it that is kept, counted from the start of the axis.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int


def plan_spans(cells: int, tile: int, margin: int) -> list[Span]:
    """Cover an axis with tiles of equal length.

    Parameters
    ----------
    cells, tile, margin : int
        Length of the axis, greatest length of a tile, and what of it is dropped at each
        end that has a neighbour; all in cells.

    Returns
    -------
    list of Span
        Their kept parts follow one another from 0 to `cells`.
    """
    tile = max(tile, 2 * margin + 1)
    if cells <= tile:
        return [Span(0, cells, 0, cells)]
    count = math.ceil((cells - 2 * margin) / (tile - 2 * margin))
    length = math.ceil((cells - 2 * margin) / count) + 2 * margin
    starts = [round(index * (cells - length) / (count - 1)) for index in range(count)]
    cuts = [(start + length + after) // 2 for start, after in pairwise(starts)]
    edges = zip([0, *cuts], [*cuts, cells], strict=True)
    return [
        Span(start, start + length, keep_start, keep_stop)
        for start, (keep_start, keep_stop) in zip(starts, edges, strict=True)
    ]


@dataclass(frozen=True)
class Layout:
    """How an image is cut into tiles.

    A cell is the smallest piece: `cell` px of the image are rescaled to `network_cell` px
    for the network, exactly, so that tiles fit together at any scale.

    Attributes
    ----------
    height, width : int
        Of the image [px].
    cell, network_cell : int
        Edge of a cell in the image and in the network's input [px].
    tile : int
        Greatest edge of a tile in the network's input [px].
    """

    height: int
    width: int
    cell: int
    network_cell: int
    tile: int

    @classmethod
    def of(cls, image: np.ndarray, model: Model, config: PredictConfig) -> Layout:
        """Plan the tiles of one image; a diameter beyond sense is refused with `BadInput`."""
        scale = model.diameter / config.diameter if config.diameter else 1.0
        if not 1 / MAX_SCALE <= scale <= MAX_SCALE:
            low, high = model.diameter / MAX_SCALE, model.diameter * MAX_SCALE
            raise BadInput(
                f"A diameter of {config.diameter:g} px would rescale the image {scale:.3g} times;"
                f" give one between {math.ceil(low * 10) / 10:g} and {math.floor(high)} px."
            )
        multiple = model.info["input"]["multiple"]
        network_cell = multiple * math.ceil(scale * 8 / multiple)  # 8 px: scale right to 6 %
        cell = max(1, round(network_cell / scale))
        height, width = image.shape[:2]
        return cls(height, width, cell, network_cell, config.tile)

    def tiles(self) -> list[tuple[Span, Span]]:
        """Rows and columns of every tile."""
        rows, columns = (self._spans(length) for length in (self.height, self.width))
        return [(row, column) for row in rows for column in columns]

    def _spans(self, length: int) -> list[Span]:
        tile, margin = self.tile // self.network_cell, math.ceil(MARGIN / self.network_cell)
        return plan_spans(math.ceil(length / self.cell), tile, margin)

    def read(self, image: np.ndarray, rows: Span, columns: Span) -> np.ndarray:
        """Cut a tile, mirrored where it reaches beyond the image, at the network's scale.

        Parameters
        ----------
        image : (H, W) or (H, W, C)
        rows, columns : Span

        Returns
        -------
        (h, w) or (h, w, C)
            With h and w multiples of `network_cell`.
        """
        (top, bottom), (left, right) = (self._ends(each) for each in (rows, columns))
        piece = image[top:bottom, left:right]
        beyond = (bottom - top - piece.shape[0], right - left - piece.shape[1])
        if any(beyond):
            sides = [(0, each) for each in beyond] + [(0, 0)] * (image.ndim - 2)
            piece = np.pad(piece, sides, mode="reflect")
        if self.cell == self.network_cell:
            return piece
        if piece.dtype not in _RESIZABLE:
            piece = piece.astype(np.float32)
        return _resize(piece, self._network_size(rows), self._network_size(columns))

    def _ends(self, span: Span) -> tuple[int, int]:
        return span.start * self.cell, span.stop * self.cell

    def _network_size(self, span: Span) -> int:
        return (span.stop - span.start) * self.network_cell

    def write(self, maps: np.ndarray, rows: Span, columns: Span, tile: np.ndarray) -> None:
        """Put the kept part of a tile's maps in its place.

        Parameters
        ----------
        maps : (H, W, 3) uint8
            Written to.
        rows, columns : Span
        tile : (h, w, 3) uint8
            Maps of what `read` gave.
        """
        if self.cell != self.network_cell:
            height, width = ((each.stop - each.start) * self.cell for each in (rows, columns))
            tile = _resize(tile, height, width)
        target, source = zip(*(self._slices(each) for each in (rows, columns)), strict=True)
        view = maps[target]
        view[:] = tile[source][: view.shape[0], : view.shape[1]]

    def _slices(self, span: Span) -> tuple[slice, slice]:
        start, stop = span.keep_start * self.cell, span.keep_stop * self.cell
        offset = span.start * self.cell
        return slice(start, stop), slice(start - offset, stop - offset)


def _resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    smaller = height < image.shape[0]
    return cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
