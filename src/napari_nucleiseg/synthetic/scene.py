"""Where the nuclei of a made image stand, and the shapes they have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_nucleiseg._cv2 import cv2

_ANGLES = 256  # points of an outline
_TRIES = 40  # for each nucleus that is wanted
_SMALLEST = 12  # px²; less than this of a nucleus is left out
_OVERLAP = 0.1  # the share of a nucleus that may lie under its neighbours; it is cut off


@dataclass(frozen=True)
class Style:
    """How the nuclei of one look stand.

    Attributes
    ----------
    diameter : float
        Mean, px.
    spread : float
        Standard deviation of the logarithm of the diameter.
    stretch : float
        Mean ratio of the axes, 1 or more.
    wobble : float
        Departure of the outline from an ellipse, as a share of the radius.
    cover : float
        Share of the image that nuclei cover.
    crowding : float
        Share of nuclei that are set beside another one.
    aligned : float
        From 0 to 1: how many follow the direction of their surroundings.
    empty : float
        Share of the image that is kept free of nuclei, in large regions.
    """

    diameter: float
    spread: float = 0.18
    stretch: float = 1.3
    wobble: float = 0.06
    cover: float = 0.2
    crowding: float = 0.3
    aligned: float = 0.0
    empty: float = 0.2


@dataclass(frozen=True)
class Scene:
    """What is in front of the lens.

    Attributes
    ----------
    labels : (H, W) int32
        Ids 1..n, 0 is background.
    depth : (H, W) float32
        1 at the middle of a nucleus, falling to 0 at its outline and outside.
    centres : (n, 2) float64
        Row and column, px.
    diameter : float
        Mean, px.
    """

    labels: np.ndarray
    depth: np.ndarray
    centres: np.ndarray
    diameter: float


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Make noise of mean 0 and deviation 1 whose spots are about `scale` px wide.

    Coarse noise is made small and enlarged, so that the cost does not grow with `scale`.

    Returns
    -------
    (H, W) float32
    """
    step = max(1.0, scale / 4)
    small = tuple(int(np.ceil(edge / step)) + 4 for edge in shape)
    noise = cv2.GaussianBlur(rng.standard_normal(small, np.float32), (0, 0), scale / step / 2)
    noise = (noise - noise.mean()) / (noise.std() + 1e-6)
    if step == 1.0:
        return np.ascontiguousarray(noise[2 : shape[0] + 2, 2 : shape[1] + 2])
    large = cv2.resize(noise, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[: shape[0], : shape[1]])


def _make_outline(
    rng: np.random.Generator, radius: float, stretch: float, wobble: float
) -> np.ndarray:
    """Make a closed outline: an ellipse times a Fourier series with falling amplitudes.

    Returns
    -------
    (256,) float64
        Distance from the centre in each direction, px.
    """
    angle = np.arange(_ANGLES) * (2 * np.pi / _ANGLES)
    long, short = radius * np.sqrt(stretch), radius / np.sqrt(stretch)
    ellipse = long * short / np.hypot(short * np.cos(angle), long * np.sin(angle))
    order = np.arange(2, 7)[:, None]
    amplitude = rng.normal(0, wobble, order.shape) * (2 / order) ** 1.6
    phase = rng.uniform(0, 2 * np.pi, order.shape)
    return ellipse * np.clip(1 + (amplitude * np.cos(order * angle + phase)).sum(0), 0.4, 1.8)


def make_polygon(
    rng: np.random.Generator, radius: float, corners: int, roughness: float
) -> np.ndarray:
    """Make an outline with straight sides between uneven corners, as flat cells have.

    Returns
    -------
    (256,) float64
        Distance from the centre in each direction, px.
    """
    at = (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) * (2 * np.pi / corners)
    reach = radius * rng.uniform(0.75, 1.25, corners)
    side = np.searchsorted(at, np.arange(_ANGLES) * (2 * np.pi / _ANGLES), side="right") - 1
    start, end = side % corners, (side + 1) % corners
    angle = np.arange(_ANGLES) * (2 * np.pi / _ANGLES)
    # Where the ray in this direction meets the line through two corners.
    between = reach[start] * reach[end] * np.sin(at[end] - at[start])
    ray = reach[start] * np.sin(angle - at[start]) + reach[end] * np.sin(at[end] - angle)
    jagged = rng.normal(0, roughness, _ANGLES + 8)
    jagged = np.convolve(jagged, np.full(9, 1 / 3), mode="valid")
    return between / ray * np.clip(1 + jagged, 0.8, 1.2)


def draw_outline(
    outline: np.ndarray, centre: tuple[float, float], turn: float, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Fill an outline.

    Returns
    -------
    window : (slice, slice)
        The part of the image that it takes up; empty if it lies outside.
    depth : (h, w) float32
        1 at the centre, 0 on the outline, negative outside.
    """
    reach = float(outline.max()) + 1
    window = tuple(
        slice(max(0, int(at - reach)), max(0, min(edge, int(at + reach) + 2)))
        for at, edge in zip(centre, shape, strict=True)
    )
    rows = np.arange(window[0].start, window[0].stop)[:, None] - centre[0]
    columns = np.arange(window[1].start, window[1].stop)[None, :] - centre[1]
    direction = (np.arctan2(rows, columns) - turn) * (_ANGLES / (2 * np.pi))
    edge = outline[direction.astype(int) % _ANGLES]
    return (window[0], window[1]), (1 - np.hypot(rows, columns) / edge).astype(np.float32)


def make_scene(
    rng: np.random.Generator,
    shape: tuple[int, int],
    style: Style,
    count: int | None = None,
    diameter: float | None = None,
) -> Scene:
    """Set nuclei down one by one, some beside each other, none on top of another.

    Parameters
    ----------
    rng : numpy.random.Generator
        Moved on.
    shape : (int, int)
        Height and width, px.
    style : Style
        Shapes and neighbourhood.
    count : int, optional
        How many to aim at; by default from `style.cover`.
    diameter : float, optional
        Mean, px; by default from `style`, smaller where `count` would not find room.
    """
    area = shape[0] * shape[1]
    if diameter is None:
        room = area * (1 - style.empty) / max(count or 1, 1)
        diameter = min(style.diameter, float(np.sqrt(0.45 * room / 0.785)))
    if count is None:
        count = max(1, round(style.cover * area / (0.785 * diameter**2)))
    builder = _Builder(rng, shape, style, diameter)
    for _ in range(_TRIES * count):
        if len(builder.centres) == count:
            break
        builder.add_one()
    centres = np.reshape(np.array(builder.centres, dtype=float), (-1, 3))[:, :2]
    return Scene(builder.labels, builder.depth, centres, diameter)


class _Builder:
    """A scene while it fills up."""

    def __init__(
        self, rng: np.random.Generator, shape: tuple[int, int], style: Style, diameter: float
    ) -> None:
        self.rng, self.shape, self.style, self.diameter = rng, shape, style, diameter
        self.labels = np.zeros(shape, np.int32)
        self.depth = np.zeros(shape, np.float32)
        self.centres: list[tuple[float, float, float]] = []  # row, column, radius
        region = smooth_noise(rng, shape, 5 * diameter)
        self.free = region >= np.quantile(region, style.empty)
        self.direction = smooth_noise(rng, shape, 6 * diameter)

    def add_one(self) -> None:
        """Try one place."""
        radius = self.diameter / 2 * float(np.exp(self.rng.normal(0, self.style.spread)))
        row, column = self.choose_centre(radius)
        at = (_within(row, self.shape[0]), _within(column, self.shape[1]))
        if not self.free[at]:
            return
        turn = float(self.direction[at]) + self.rng.normal(0, 0.25)
        if self.rng.random() > self.style.aligned:
            turn = self.rng.uniform(0, np.pi)
        stretch = 1 + (self.style.stretch - 1) * self.rng.gamma(4, 0.25)
        outline = _make_outline(self.rng, radius, stretch, self.style.wobble)
        if self.set_down((row, column), turn, outline):
            self.centres.append((row, column, radius))

    def choose_centre(self, radius: float) -> tuple[float, float]:
        """Choose a place beside a nucleus that stands already, or anywhere."""
        if self.centres and self.rng.random() < self.style.crowding:
            row, column, other = self.centres[self.rng.integers(len(self.centres))]
            away = (radius + other) * self.rng.uniform(0.8, 1.05)
            turn = self.rng.uniform(0, 2 * np.pi)
            return row + away * np.sin(turn), column + away * np.cos(turn)
        height, width = self.shape
        return (
            self.rng.uniform(-radius / 2, height + radius / 2),
            self.rng.uniform(-radius / 2, width + radius / 2),
        )

    def set_down(self, centre: tuple[float, float], turn: float, outline: np.ndarray) -> bool:
        """Draw a nucleus if there is room for it."""
        window, depth = draw_outline(outline, centre, turn, self.shape)
        whole = depth > 0
        visible = _largest_piece(whole & (self.labels[window] == 0))
        area = int(np.count_nonzero(visible))
        if area < _SMALLEST or area < (1 - _OVERLAP) * np.count_nonzero(whole):
            return False
        self.labels[window][visible] = len(self.centres) + 1
        self.depth[window][visible] = depth[visible]
        return True


def _within(position: float, edge: int) -> int:
    return int(min(max(position, 0), edge - 1))


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    if mask.size == 0:
        return mask
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4
    )
    if count <= 2:
        return mask
    return np.asarray(pieces == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))
