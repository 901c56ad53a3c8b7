"""Which files of a folder are images, and which masks belong to them.

=========  ==============================================================================
kaggle     ``<id>/images/<id>.png`` and ``<id>/masks/*.png``, one binary mask a nucleus
merged     ``inputs/`` and ``masks/`` with one binary mask an image
labels     ``images/`` and ``masks/`` or ``labels/`` with one label image an image
cellpose   ``name.tif`` and ``name_masks.tif`` (or ``.png``) side by side
images     a folder of images without masks, or one image
=========  ==============================================================================

Each is looked for in one folder; where such folders are looked for is told in `sample_search`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from napari_nucleiseg.atomic import ON_WINDOWS
from napari_nucleiseg.folder_entries import (
    OWN_FOLDER,
    Unlistable,
    entries_in,
    is_folder,
    list_entries,
)
from napari_nucleiseg.mask_files import MASKS, ORIGINAL_MASKS
from napari_nucleiseg.pairing import (
    image_of,
    is_annotation,
    mask_names,
    masks_by_stem,
    one_for_each_stem,
)
from napari_nucleiseg.sample import Found, Sample

_IMAGE_FOLDERS = ("inputs", "input", "images", "image")
_MASK_FOLDERS = ("masks", "labels", "mask", "label")


# --- kaggle


def find_kaggle(folder: Path, folders: Sequence[Path]) -> Found | None:
    """Take a folder as one sample, or those in it that are given as a sample each."""
    own = _kaggle_sample(folder)
    if own and (own.sample.mask_paths or own.sample.image_path.stem == folder.name):
        return Found(folder, "kaggle", (own.sample,), _left_out([own]))
    found: list[_KaggleSample] = []
    problems: list[str] = []
    for each in folders:
        try:
            sample = _kaggle_sample(each)
        except Unlistable as error:
            problems.append(str(error))
            continue
        if sample:
            found.append(sample)
        elif is_folder(each / MASKS) or is_folder(each / "images"):
            problems.append(
                f"{each} needs one image in its folder images, or one named {each.name}: put it "
                "there."
            )
    samples = tuple(each.sample for each in found)
    return Found(folder, "kaggle", samples, (*problems, *_left_out(found))) if samples else None


class _KaggleSample(NamedTuple):
    sample: Sample
    other_images: list[Path]
    unread_masks: list[Path]


def _left_out(found: Iterable[_KaggleSample]) -> tuple[str, ...]:
    """Write one sentence for all images, and one for all masks, that are not used."""
    found = list(found)
    images = [path for each in found for path in each.other_images]
    problems = _unread_masks([path for each in found for path in each.unread_masks])
    if images:
        others = f"and {len(images) - 1} more images are" if images[1:] else "is"
        beside = "beside the image of the sample: keep one image in each folder images"
        problems += (f"{images[0]} {others} passed over, {beside}.",)
    return problems


def _kaggle_sample(folder: Path) -> _KaggleSample | None:
    """Take a folder as one sample, unless its images pair with masks of the same name."""
    images = entries_in(folder / "images").files
    named = [image for image in images if image.stem == folder.name]
    if not named and len(images) != 1:
        return None
    original = folder / ORIGINAL_MASKS
    _, masks, unread = entries_in(original if is_folder(original) else folder / MASKS)
    image = (named or images)[0]
    stems = {mask.stem for mask in (*masks, *unread)}
    if not named and (image.stem in stems or is_folder(folder / "labels")):
        return None
    sample = Sample(folder.name, image, tuple(masks), "kaggle", folder)
    return _KaggleSample(sample, [each for each in images if each != image], unread)


# --- merged, labels


def find_paired(folder: Path, folders: Sequence[Path]) -> Found | None:
    """Take one of the folders in a folder for its images, and one for their masks."""
    images_folder = _first_named(folders, _IMAGE_FOLDERS)
    images = entries_in(images_folder).files if images_folder else []
    if not images_folder or not images:
        return None
    masks_folder = _first_named(folders, _MASK_FOLDERS)
    images, problems = one_for_each_stem(images)
    names = mask_names(image.stem for image in images)
    _, files, unread = entries_in(masks_folder) if masks_folder else ([], [], [])
    masks = masks_by_stem(files, names)
    layout = "merged" if images_folder.name.lower().startswith("input") else "labels"
    samples = tuple(image_sample(image, masks.pop(image.stem, ()), layout) for image in images)
    left = [path for paths in masks.values() for path in paths]
    if left:
        others = f"and {len(left) - 1} more masks have" if left[1:] else "has"
        problems += (f"{left[0]} {others} no image of that name in {images_folder}: add it.",)
    problems += _unread_masks(unread)
    return Found(folder, layout if masks_folder else "images", samples, problems)


def _first_named(folders: Sequence[Path], names: Sequence[str]) -> Path | None:
    by_name = {each.name.lower(): each for each in folders}
    return next((by_name[name] for name in names if name in by_name), None)


# --- cellpose, images


def find_beside(folder: Path) -> Found | None:
    """Take the files of one folder, some of which may be masks of others."""
    files = list_entries(folder).files
    names = mask_names(path.stem for path in files)
    belongs = {path for path in files if image_of(path.stem, names)}
    images, problems = one_for_each_stem([path for path in files if path not in belongs])
    annotations = [path for path in files if path in belongs and is_annotation(path.stem)]
    masks = masks_by_stem(annotations, names)
    layout = "cellpose" if masks else "images"
    samples = tuple(image_sample(image, masks.get(image.stem, ()), layout) for image in images)
    return Found(folder, layout, samples, problems) if samples else None


# --- what they share


def image_sample(image: Path, masks: Iterable[Path], layout: str) -> Sample:
    """Make a sample of an image that has no folder of its own."""
    return Sample(image.stem, image, tuple(masks), layout, _own_folder(image))


def _own_folder(image: Path) -> Path:
    """Say where the files of such an image stand."""
    folder = image.parent / OWN_FOLDER / image.stem
    kept = image.stem.rstrip(" .")
    # Windows drops blanks and dots at the end of a folder's name. Earlier versions wrote them.
    if kept == image.stem or (not ON_WINDOWS and os.path.isdir(folder)):
        return folder
    dropped = image.stem[len(kept) :]
    return folder.with_name(kept + "".join(f"%{ord(letter):X}" for letter in dropped))


def _unread_masks(paths: Sequence[Path]) -> tuple[str, ...]:
    if not paths:
        return ()
    others = f"and {len(paths) - 1} more files of masks are" if paths[1:] else "is"
    return (f"{paths[0]} {others} of a kind that is not read: save masks as PNG or TIFF.",)
