"""Crops for training: where they lie, and how they are changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.diameter import median_diameter
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.images import intensity_range, normalise, to_bytes
from napari_nucleiseg.nn.paste import paste_nuclei
from napari_nucleiseg.nn.targets import targets_from_labels
from napari_nucleiseg.numbering import number

NO_NUCLEI = 20.0  # px: the diameter of an image without nuclei
_DIAMETERS = (9.0, 80.0)  # px: sizes of nuclei that some crops are zoomed to
UNTOUCHED = 0.35
"""Share of crops that are only flipped, rotated by right angles or doubled: interpolation
blurs the others, so without these no crop would be as sharp as an image."""
_DOUBLED = 0.35
"""Share of these that are doubled, where nuclei are small enough, as the predictor's detail
pass does."""
_DOUBLED_BELOW = 32.0  # px: larger nuclei gain nothing in a doubled image
_MARGIN = 32  # px: further than the blur of the smallest zoom reaches
_MOST_NUCLEI = 2**16 - 1
_PASTED = 0.35  # share of crops that get more nuclei, of another place in their image


@dataclass(frozen=True)
class Example:
    """One annotated image, ready for crops.

    Attributes
    ----------
    id : str
        Of the sample.
    image : (H, W, 3) uint8
        Stretched to the full range.
    labels : (H, W) uint16
        Nucleus ids, 0 is background.
    modality : str
        Rare modalities are drawn more often.
    diameter : float
        Median diameter of the nuclei [px]; `NO_NUCLEI` where there are none.
    background : tuple of 3 int
        Median colour where no nucleus is; black if nuclei cover all.
    """

    id: str
    image: np.ndarray
    labels: np.ndarray
    modality: str = ""
    diameter: float = NO_NUCLEI
    background: tuple[int, int, int] = (0, 0, 0)


def example(id: str, image: np.ndarray, labels: np.ndarray, modality: str = "") -> Example:
    """Prepare one annotated image.

    Parameters
    ----------
    id, modality : str
        As in the sample.
    image : (H, W) or (H, W, 3)
        As read.
    labels : (H, W) int
        Nucleus ids, 0 is background.

    Raises
    ------
    BadInput
        If there are more than 65535 nuclei.
    """
    labels = _renumbered(labels)
    stretched = to_bytes(normalise(image, *intensity_range(image)))
    return Example(
        id=id,
        image=stretched,
        labels=labels,
        modality=modality,
        diameter=median_diameter(labels) or NO_NUCLEI,
        background=_background(stretched, labels),
    )


def network_input(images: np.ndarray) -> np.ndarray:
    """Scale uint8 images, (..., 3), to the float32 in [-1, 1] that the networks take."""
    return images.astype(np.float32) / np.float32(127.5) - np.float32(1)


def _renumbered(labels: np.ndarray) -> np.ndarray:
    """Count nuclei from 1 on: ids of a whole slide may be too large for uint16."""
    ids, _, numbers = number(labels)
    if len(ids) > _MOST_NUCLEI:
        raise BadInput(
            f"The image has {len(ids)} nuclei; at most {_MOST_NUCLEI} are trained on in one: cut "
            "it into parts."
        )
    return (numbers + 1).reshape(labels.shape).astype(np.uint16)


def _background(image: np.ndarray, labels: np.ndarray) -> tuple[int, int, int]:
    free = image[labels == 0]
    red, green, blue = np.median(free, axis=0).astype(int) if len(free) else (0, 0, 0)
    return int(red), int(green), int(blue)


def crop_and_targets(
    source: Example, config: TrainConfig, rng: np.random.Generator, *, as_is: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one crop and change it as another microscope might.

    Parameters
    ----------
    source : Example
    config : TrainConfig
        `crop`, `scale_low` and `scale_high` are used.
    rng : numpy Generator
    as_is : bool
        Do not change it, but for flips and right angles; some crops are doubled in size.

    Returns
    -------
    crop : (crop, crop, 3) float32
        In [-1, 1].
    targets : (crop, crop, 3) uint8
        See `targets_from_labels`.
    """
    if as_is:
        image, labels = _untouched(source, _centre(source.labels, rng), config.crop, rng)
        return network_input(image), targets_from_labels(labels)
    image, labels = _warp(source, config, rng)
    if rng.random() < _PASTED:
        image, labels = paste_nuclei(image, labels, *_warp(source, config, rng), rng)
    return _recolour(image, rng), targets_from_labels(labels)


def _warp(
    source: Example, config: TrainConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    centre = _centre(source.labels, rng)
    if rng.random() < UNTOUCHED:
        return _untouched(source, centre, config.crop, rng)
    zoom = _zoom(source.diameter, config, rng)
    return _cut(source, _affine(source, centre, zoom, config.crop, rng), zoom, config.crop)


def _untouched(
    source: Example, centre: np.ndarray, crop: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    zoom = 2.0 if source.diameter < _DOUBLED_BELOW and rng.random() < _DOUBLED else 1.0
    # Between two pixels, the centre is mapped as `cv2.resize` maps it, whatever the flip.
    reach = crop / 2 / zoom + zoom - 1.5
    centre = np.floor(_inside(centre, source.labels.shape, reach)) + 0.5
    return _cut(source, _turn(centre, zoom, crop, rng), zoom, crop)


def _inside(centre: np.ndarray, shape: tuple[int, ...], reach: float | np.ndarray) -> np.ndarray:
    """Clip a centre so that a crop reaching `reach` px stays inside; centred in a small image."""
    last = np.array(shape) - 1
    low, high = np.minimum(reach, last / 2), np.maximum(last - reach, last / 2)
    return np.asarray(np.clip(centre, low, high))


def _cut(
    source: Example, matrix: np.ndarray, zoom: float, crop: int
) -> tuple[np.ndarray, np.ndarray]:
    size, (part, matrix) = (crop, crop), _part_seen(source.labels.shape, matrix, crop)
    image, labels = source.image[part], source.labels[part]
    if zoom < 0.7:  # linear interpolation alone would alias
        image = cv2.GaussianBlur(image, (0, 0), 0.35 / zoom)
    # Beyond the image lies background. In a mirror image, a nucleus that the edge cuts would be
    # one with its reflection, and the network would learn that two lobes are one nucleus.
    image = cv2.warpAffine(
        image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=source.background
    )
    labels = cv2.warpAffine(labels, matrix, size, flags=cv2.INTER_NEAREST, borderValue=0)
    return image, labels


def _part_seen(
    shape: tuple[int, ...], matrix: np.ndarray, crop: int
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Find what a crop shows of an image, and the matrix for that part alone.

    To blur a large image for every crop would take longer than all else.
    """
    back = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0], [0, crop], [crop, 0], [crop, crop]]) @ back[:, :2].T + back[:, 2]
    size = np.array(shape[1::-1])
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - _MARGIN, 0, size - 1)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + _MARGIN, low + 1, size)
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ low
    return (slice(low[1], high[1]), slice(low[0], high[0])), moved


def _zoom(diameter: float, config: TrainConfig, rng: np.random.Generator) -> float:
    """Draw a zoom; a quarter of them aims at any size of nuclei instead."""
    if rng.random() < 0.25:
        aim = np.exp(rng.uniform(*np.log(_DIAMETERS))) / diameter
        return float(np.clip(aim, config.scale_low * 0.7, config.scale_high * 1.8))
    return float(np.exp(rng.uniform(np.log(config.scale_low), np.log(config.scale_high))))


def _centre(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the centre of a crop (y, x), mostly on a nucleus."""
    for _ in range(8 if rng.random() < 0.8 else 1):
        y, x = rng.integers(labels.shape)
        if labels[y, x]:
            break
    return np.array([y, x]) + rng.uniform(-16, 16, 2)


def _turn(centre: np.ndarray, zoom: float, crop: int, rng: np.random.Generator) -> np.ndarray:
    """Compose a flip, right angles and a whole zoom into a 2 x 3 matrix."""
    linear = np.diag(rng.choice([-1, 1], 2)) * zoom
    if rng.random() < 0.5:
        linear = linear[::-1]
    return np.column_stack([linear, (crop - 1) / 2 - linear @ centre[::-1]]).astype(float)


def _affine(
    source: Example, centre: np.ndarray, zoom: float, crop: int, rng: np.random.Generator
) -> np.ndarray:
    """Compose flip, rotation, zoom and a slight stretch into one 2 x 3 matrix."""
    angle = rng.integers(4) * np.pi / 2 if rng.random() < 0.5 else rng.uniform(0, 2 * np.pi)
    stretch = np.exp(rng.normal(0, 0.08))
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([zoom * stretch, zoom / stretch])
    if rng.random() < 0.5:
        linear[:, 0] *= -1
    reach = (abs(cos) + abs(sin)) * crop / 2 / zoom * np.array([stretch, 1 / stretch])
    shift = crop / 2 - linear @ _inside(centre, source.labels.shape, reach)[::-1]
    return np.column_stack([linear, shift])


def _recolour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x = image.astype(np.float32) / 255
    if np.ptp(image, axis=2).max() > 8:
        x = _jitter_stain(x, rng)
    x = _gamma_and_gain(x, rng)
    if rng.random() < 0.3:
        x *= _uneven_light(x.shape[0], rng)
    if rng.random() < 0.25:
        x = np.asarray(cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.6)))
    if rng.random() < 0.4:
        x += _noise(x.shape[:2], rng)
    if rng.random() < 0.1:
        x = 1 - x
    return np.clip(x * 2 - 1, -1, 1, out=x, dtype=np.float32)


def _jitter_stain(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change the colours of a stain: in optical density, where dyes add up."""
    if rng.random() < 0.15:
        return np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2)
    density = -np.log(np.maximum(x, 1 / 255))
    density *= np.exp(rng.normal(0, 0.2, 3)).astype(np.float32)
    mix = np.eye(3, dtype=np.float32) + rng.normal(0, 0.07, (3, 3)).astype(np.float32)
    return np.exp(-np.maximum(density @ mix, 0))


def _gamma_and_gain(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x = np.clip(x, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.3)))
    return x * np.float32(rng.uniform(0.7, 1.25)) + np.float32(rng.normal(0, 0.05))


def _uneven_light(size: int, rng: np.random.Generator) -> np.ndarray:
    coarse = rng.uniform(0.6, 1.2, (3, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC))[..., None]


def _noise(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((*shape, 1), np.float32) * np.float32(rng.uniform(0.01, 0.07))
