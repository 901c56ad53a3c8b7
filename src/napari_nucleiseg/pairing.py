"""Which files belong together by their names: an image, its masks and its other copies."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

_MASK_ENDING = re.compile(r"_(cp_)?(masks?|labels?)$", re.IGNORECASE)
_IMAGE_ENDING = re.compile(r"_img$", re.IGNORECASE)
_BY_PRODUCT = re.compile(r"_(cp_output|cp_flows|flows|outlines)$", re.IGNORECASE)
_PREFERENCE = {suffix: i for i, suffix in enumerate((".tif", ".tiff", ".png", ".jpg", ".jpeg"))}


def image_name(stem: str) -> str | None:
    """Name of the image that a mask or by-product of this stem would belong to."""
    for ending in (_MASK_ENDING, _BY_PRODUCT):
        if ending.search(stem):
            return ending.sub("", stem)
    return None


def image_of(stem: str, names: dict[str, str]) -> str | None:
    """Stem of the image, of those in `names`, that a mask or by-product belongs to."""
    name = image_name(stem)
    return None if name is None else _look_up(name, names)


def _look_up(name: str, names: dict[str, str]) -> str | None:
    return names.get(name, names.get(composed(name)))


def composed(text: str) -> str:
    """Write each accent with its letter: macOS and some archives write it as one of its own."""
    return unicodedata.normalize("NFC", text)


def is_annotation(stem: str) -> bool:
    """Whether a file of this stem is a mask by its name."""
    return _MASK_ENDING.search(stem) is not None


def mask_names(stems: Iterable[str]) -> dict[str, str]:
    """Map the stems that a mask may have, without its ending, to its image's stem.

    They are the image's stem and, as in Cellpose's data, that stem without ``_img``.
    """
    stems = list(stems)
    short = {_IMAGE_ENDING.sub("", stem): stem for stem in stems} | {stem: stem for stem in stems}
    return {composed(name): stem for name, stem in short.items()} | short


def masks_by_stem(masks: Sequence[Path], names: dict[str, str]) -> dict[str, tuple[Path, ...]]:
    """Key each mask by its image's stem, or by its own name where there is no such image."""
    by_stem: dict[str, tuple[Path, ...]] = {}
    for mask in one_for_each_stem(masks)[0]:
        name = _MASK_ENDING.sub("", mask.stem)
        by_stem.setdefault(_look_up(name, names) or name, (mask,))
    return by_stem


def one_for_each_stem(paths: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """Of files that differ only in their suffix keep one, lossless before lossy."""
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_stem[path.stem].append(path)
    problems = []
    for same in by_stem.values():
        same.sort(key=lambda path: _PREFERENCE[path.suffix.lower()])
        problems += [
            f"{other} differs from {same[0].name} only in its suffix and is passed over: rename it."
            for other in same[1:]
        ]
    return [same[0] for same in by_stem.values()], tuple(problems)
