"""What each kind of microscope makes of a scene.

Fluorescence adds light and blurs it; a stain absorbs light by Beer and Lambert's law. Each
renderer takes a random generator and a scene, and returns intensities from 0 to 255.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.synthetic.scene import (
    Scene,
    Style,
    draw_outline,
    make_polygon,
    smooth_noise,
)

Renderer = Callable[[np.random.Generator, Scene], np.ndarray]


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur, on a smaller image where that is as good."""
    step = int(sigma // 4)
    if step < 2:
        return cv2.GaussianBlur(image, (0, 0), sigma)
    size = tuple(max(1, edge // step) for edge in image.shape[1::-1])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step)
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def _each(scene: Scene, values: np.ndarray) -> np.ndarray:
    """Give every nucleus one of `values`; 0 to the background."""
    table = np.zeros(int(scene.labels.max()) + 1, np.float32)
    table[1:] = values
    return table[scene.labels]


def _count(scene: Scene) -> int:
    return int(scene.labels.max())


def _focus(
    rng: np.random.Generator, scene: Scene, light: np.ndarray, sharp: float, share: float
) -> np.ndarray:
    """Blur each nucleus by its distance from the plane of focus.

    A `share` of nuclei is out of focus, half of it far out.
    """
    n = _count(scene)
    plane = np.digitize(rng.random(n), (1 - share, 1 - share / 2))
    planes = _each(scene, plane)
    result = np.zeros_like(light)
    for number, sigma in enumerate((sharp, sharp + 0.06 * scene.diameter, 0.13 * scene.diameter)):
        result += _blur(np.where(planes == number, light, np.float32(0)), max(sigma, sharp))
    return result


def _camera(rng: np.random.Generator, image: np.ndarray, photons: float, read: float) -> np.ndarray:
    """Add shot noise of `photons` a grey level and read noise of `read` grey levels."""
    shot = rng.poisson(np.clip(image, 0, None) * photons) / photons
    return shot + rng.normal(0, read, image.shape)


def _uneven(rng: np.random.Generator, shape: tuple[int, int], strength: float) -> np.ndarray:
    """Illumination: 1 on average, falling off from a place that is not quite the middle."""
    rows, columns = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    centre = rng.uniform(-0.6, 0.6, 2)
    fall = 1 - strength * ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2)
    return (fall / fall.mean()).astype(np.float32)


def _chromatin(rng: np.random.Generator, scene: Scene, fine: float, coarse: float) -> np.ndarray:
    """Texture of chromatin, of mean 1."""
    shape = scene.labels.shape
    small = smooth_noise(rng, shape, max(1.2, scene.diameter / 16))
    large = smooth_noise(rng, shape, max(2.0, scene.diameter / 6))
    return np.clip(1 + fine * small + coarse * large, 0.1, None)


def _specks(rng: np.random.Generator, shape: tuple[int, int], share: float) -> np.ndarray:
    """Debris: a `share` of pixels, spread as small round spots of brightness up to 1."""
    dots = (rng.random(shape) < share) * rng.random(shape)
    spots = _blur(dots.astype(np.float32), 1.0)
    return spots / max(float(spots.max()), 1e-6)


def _fluorescence(
    rng: np.random.Generator,
    scene: Scene,
    *,
    peak: tuple[float, float],
    spread: float,
    texture: tuple[float, float],
    foci: float,
    blurred: float,
    psf: float,
    haze: float,
) -> np.ndarray:
    shape = scene.labels.shape
    brightness = _each(scene, np.exp(rng.normal(0, spread, _count(scene))))
    body = np.clip(scene.depth * 4, 0, 1) ** 0.5 * (0.75 + 0.25 * scene.depth)
    light = brightness * body * _chromatin(rng, scene, *texture)
    if foci:
        spots = np.clip(smooth_noise(rng, shape, scene.diameter / 7) - 1.1, 0, None)
        light += foci * spots * brightness * (scene.depth > 0.1)
    light = _focus(rng, scene, light.astype(np.float32), psf, blurred)
    cytoplasm = np.clip(1 + 0.6 * smooth_noise(rng, shape, scene.diameter), 0, None)
    light += haze * cytoplasm * _blur((scene.labels > 0).astype(np.float32), scene.diameter)
    light += haze * _blur(light, scene.diameter / 3) + 0.3 * _specks(rng, shape, 1e-4)
    scale = rng.uniform(*peak) / max(float(np.percentile(light, 99.8)), 1e-3)
    image = (rng.uniform(2, 6) + scale * light) * _uneven(rng, shape, 0.15)
    return _camera(rng, image, photons=rng.uniform(6, 20), read=0.5)


def _cultured(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """Show cells in a dish: large flat nuclei, evenly bright."""
    return _fluorescence(
        rng,
        scene,
        peak=(30, 70),
        spread=0.18,
        texture=(0.07, 0.1),
        foci=0,
        blurred=0.04,
        psf=1.1,
        haze=0.1,
    )


def _speckled(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """Show nuclei of a mouse: round, with bright spots, some far from the plane of focus."""
    return _fluorescence(
        rng,
        scene,
        peak=(80, 150),
        spread=0.3,
        texture=(0.15, 0.3),
        foci=0.8,
        blurred=0.25,
        psf=1.4,
        haze=0.15,
    )


def _sparse(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """Show small nuclei of very different brightness, as at a low magnification."""
    return _fluorescence(
        rng,
        scene,
        peak=(80, 200),
        spread=0.55,
        texture=(0.1, 0.15),
        foci=0,
        blurred=0.12,
        psf=0.9,
        haze=0.06,
    )


def _absorb(
    white: tuple[int, int, int], layers: list[tuple[np.ndarray, tuple[int, int, int]]]
) -> np.ndarray:
    """Colour of light after its way through stains, each given by its colour at density 1."""
    density = np.zeros((*layers[0][0].shape, 3))
    for amount, colour in layers:
        density += amount[..., None] * -np.log(np.array(colour) / np.array(white))
    return np.array(white) * np.exp(-density)


def _part_colours(image: np.ndarray, shift: float) -> np.ndarray:
    """Shift red and blue against each other by `2 * shift` px, as a lens with lateral colour."""
    parted = image.astype(np.float32)
    size = image.shape[1::-1]
    for channel, move in ((0, -shift), (2, shift)):
        matrix = np.array([[1, 0, move], [0, 1, move / 2]], np.float32)
        parted[..., channel] = cv2.warpAffine(
            np.ascontiguousarray(parted[..., channel]), matrix, size, borderMode=cv2.BORDER_REFLECT
        )
    return parted


def _nuclear_stain(rng: np.random.Generator, scene: Scene, spread: float) -> np.ndarray:
    """Density of stain in nuclei: some compact, others pale with a dark rim and clumps."""
    n = _count(scene)
    density = _each(scene, np.exp(rng.normal(0, spread, n)))
    pale = _each(scene, rng.beta(1.0, 1.3, n))
    rim = np.exp(-((scene.depth / 0.12) ** 2))
    clumps = np.clip(smooth_noise(rng, scene.labels.shape, scene.diameter / 8), 0, 2)
    inside = (1 - pale) + pale * (0.3 + 0.4 * rim + 0.45 * clumps)
    body = np.clip(scene.depth * 6, 0, 1)
    return (density * inside * body * _chromatin(rng, scene, 0.12, 0.12)).astype(np.float32)


def _fibres(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Wavy lines as of connective tissue, around 0, in some places more than in others."""
    bend = smooth_noise(rng, shape, 6 * scale) * 7 + 0.8 * smooth_noise(rng, shape, scale)
    where = np.clip(smooth_noise(rng, shape, 4 * scale), 0, None)
    return np.sin(1.4 * bend) * where + 0.4 * smooth_noise(rng, shape, scale / 4)


def _stained(
    rng: np.random.Generator,
    scene: Scene,
    *,
    white: tuple[int, int, int],
    nuclear: tuple[int, int, int],
    tissue: tuple[int, int, int],
    thickness: float,
    fibres: float,
    blurred: float,
) -> np.ndarray:
    shape = scene.labels.shape
    stain = _focus(rng, scene, _nuclear_stain(rng, scene, 0.3), 0.9, blurred)
    region = _blur((scene.labels > 0).astype(np.float32), scene.diameter)
    ground = np.clip(region + 0.3 * smooth_noise(rng, shape, 3 * scene.diameter), 0, None)
    ground = thickness * ground + fibres * _fibres(rng, shape, scene.diameter / 2)
    image = _absorb(white, [(stain, nuclear), (ground.astype(np.float32), tissue)])
    image = _part_colours(image, rng.uniform(0.2, 0.7)) * _uneven(rng, shape, 0.03)[..., None]
    return _camera(rng, image, photons=40, read=0.6)


def _lilac(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """Show a section in one violet stain: long nuclei crowded along the tissue's grain."""
    return _stained(
        rng,
        scene,
        white=(190, 172, 220),
        nuclear=(66, 26, 168),
        tissue=(150, 120, 205),
        thickness=0.5,
        fibres=0.08,
        blurred=0.25,
    )


def _purple(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """Show loose cells in purple on white."""
    return _stained(
        rng,
        scene,
        white=(228, 228, 226),
        nuclear=(94, 22, 120),
        tissue=(218, 196, 210),
        thickness=0.5,
        fibres=0.03,
        blurred=0.15,
    )


def _flat_cell(
    rng: np.random.Generator, shape: tuple[int, int], centre: np.ndarray, radius: float
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Make a thin cell: where it lies, and its density there, darker at its edge and a fold."""
    outline = make_polygon(rng, radius, int(rng.integers(6, 11)), 0.02)
    window, depth = draw_outline(outline, (centre[0], centre[1]), 0.0, shape)
    rows, columns = (axis.astype(np.float32) for axis in np.ogrid[window])
    turn, bow = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.004)
    along = (rows - centre[0]) * np.cos(turn) + (columns - centre[1]) * np.sin(turn)
    across = (columns - centre[1]) * np.cos(turn) - (rows - centre[0]) * np.sin(turn)
    past = across + bow * along**2 - radius * rng.uniform(0.3, 0.8)
    fold = (past > 0) * rng.uniform(0, 0.5) + 0.6 * np.exp(-((past / 1.5) ** 2))
    edge = np.exp(-((depth / 0.02) ** 2))
    whole = np.clip(depth * radius / 1.5, 0, 1)
    return window, (whole * rng.uniform(0.08, 0.28) * (1 + fold + edge)).astype(np.float32)


def _smear(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """Show flat cells on glass, as in a cervical smear, each around its nucleus."""
    shape = scene.labels.shape
    density = np.zeros(shape, np.float32)
    for centre in scene.centres:
        beside = centre + rng.normal(0, scene.diameter / 2, 2)
        radius = scene.diameter * rng.uniform(2.5, 5)
        window, cell = _flat_cell(rng, shape, beside, radius)
        density[window] += cell
    grain = 1 + 0.12 * smooth_noise(rng, shape, 2) + 0.15 * smooth_noise(rng, shape, 14)
    cells = density * grain + 0.3 * _specks(rng, shape, 3e-4) * (density > 0)
    amount = _each(scene, rng.uniform(0.6, 1.2, _count(scene)))
    nuclei = amount * np.clip(scene.depth * 10, 0, 1) * _chromatin(rng, scene, 0.1, 0.15)
    image = 232 * np.exp(-_blur((cells + nuclei).astype(np.float32), 0.8))
    return _camera(rng, image * _uneven(rng, shape, 0.02), photons=60, read=1)


LOOKS: dict[str, tuple[tuple[Style, Renderer], ...]] = {
    "fluorescence": (
        (Style(44, 0.15, 1.45, wobble=0.07, cover=0.28, crowding=0.4), _cultured),
        (Style(20, 0.12, 1.1, wobble=0.03, cover=0.17, crowding=0.4), _speckled),
        (Style(15, 0.22, 1.35, wobble=0.04, cover=0.06, crowding=0.3), _sparse),
    ),
    "stained": (
        (Style(22, 0.28, 2.0, 0.08, cover=0.27, crowding=0.8, aligned=0.85, empty=0.4), _lilac),
        (Style(22, 0.2, 1.25, wobble=0.1, cover=0.24, crowding=0.5), _purple),
    ),
    "brightfield-tissue": (
        (Style(20, 0.15, 1.25, wobble=0.05, cover=0.02, crowding=0.05), _smear),
    ),
}
