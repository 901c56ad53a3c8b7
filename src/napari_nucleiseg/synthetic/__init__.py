"""Made images of nuclei with exact labels, for the demo, the tests and the benchmarks.

They follow the three kinds of image in the DSB2018 set: fluorescence, stained tissue and
bright-field smears. `scene` sets the nuclei down, `looks` shines light through them.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from napari_nucleiseg.synthetic.looks import LOOKS
from napari_nucleiseg.synthetic.scene import make_scene

KINDS = tuple(LOOKS)
_SHAPES = {
    "fluorescence": (256, 256),
    "stained": (256, 320),
    "brightfield-tissue": (512, 512),
}

__all__ = ["KINDS", "make_dataset", "make_image"]


def make_image(
    kind: str,
    shape: tuple[int, int],
    seed: int,
    *,
    nuclei: int | None = None,
    diameter: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Make one image and its exact labels.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    shape : (int, int)
        Height and width, px.
    seed : int
        The same seed gives the same image. Seeds that follow each other take turns through
        the looks of a kind.
    nuclei : int, optional
        How many to aim at; fewer where there is no room left. By default as many as such
        images usually hold.
    diameter : float, optional
        Mean, px. By default as such images usually have, smaller where `nuclei` would not
        find room.

    Returns
    -------
    image : (H, W) or (H, W, 3) uint8
        Colour where `kind` is "stained", else grey.
    labels : (H, W) int32
        Ids 1..n, each in one piece; 0 is background.

    Raises
    ------
    ValueError
        If `kind` is unknown.
    """
    if kind not in LOOKS:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(KINDS)}.")
    rng = np.random.default_rng([KINDS.index(kind), seed])
    style, render = LOOKS[kind][seed % len(LOOKS[kind])]
    scene = make_scene(rng, shape, style, nuclei, diameter)
    image = render(rng, scene)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), scene.labels


def make_dataset(
    folder: Path | str,
    seed: int = 0,
    count: int = 6,
    *,
    edge: int | None = None,
    kinds: tuple[str, ...] = KINDS,
) -> Path:
    """Write a dataset in the layout of DSB2018: `<id>/images/<id>.png`, `<id>/masks/*.png`.

    A `samples.csv` beside the samples names modality and field of each.

    Parameters
    ----------
    folder : path
        Made if need be.
    seed : int
        The same seed gives the same pixels.
    count : int
        How many samples; the kinds take turns.
    edge : int, optional
        Height and width of every image, px. By default as such images usually are.
    kinds : tuple of str
        Which of `KINDS`.

    Returns
    -------
    Path
        `folder`.
    """
    folder = Path(folder)
    rows = []
    for index in range(count):
        kind, number = kinds[index % len(kinds)], index // len(kinds)
        shape = _SHAPES[kind] if edge is None else (edge, edge)
        image, labels = make_image(kind, shape, 1000 * seed + number)
        sample_id = f"{kind}-{number + 1:02d}"
        _write_sample(folder / sample_id, image, labels)
        rows.append((sample_id, kind, f"made-{index + 1:02d}", 0))
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("id", "modality", "field", "stardist_test"), *rows])
    return folder


def _write_sample(folder: Path, image: np.ndarray, labels: np.ndarray) -> None:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).convert("RGBA").save(folder / "images" / f"{folder.name}.png")
    for label in range(1, int(labels.max()) + 1):
        mask = np.where(labels == label, np.uint8(255), np.uint8(0))
        Image.fromarray(mask).save(folder / "masks" / f"{folder.name}-{label:03d}.png")
