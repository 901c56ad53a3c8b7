"""Which files of a folder are images, and which masks belong to them.

=========  ==============================================================================
kaggle     ``<id>/images/<id>.png`` and ``<id>/masks/*.png``, one binary mask a nucleus
merged     ``inputs/`` and ``masks/`` with one binary mask an image
labels     ``images/`` and ``masks/`` or ``labels/`` with one label image an image
cellpose   ``name.tif`` and ``name_masks.tif`` (or ``.png``) side by side
images     a folder of images without masks, or one image
=========  ==============================================================================

Each of them may stand in ``train/`` and ``test/``, and below folders that hold nothing
else. Hidden files, ``__MACOSX`` and what this program writes are passed over.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from napari_nucleiseg.atomic import ON_WINDOWS
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.folder_entries import (
    OWN_FOLDER,
    Unlistable,
    entries_in,
    is_folder,
    list_entries,
    natural_key,
)
from napari_nucleiseg.mask_files import MASKS, ORIGINAL_MASKS
from napari_nucleiseg.pairing import (
    image_of,
    is_annotation,
    mask_names,
    masks_by_stem,
    one_for_each_stem,
)
from napari_nucleiseg.state import LABELS

_IMAGE_FOLDERS = ("inputs", "input", "images", "image")
_MASK_FOLDERS = ("masks", "labels", "mask", "label")
_SIDE = re.compile("(train|training|val|valid|validation)|(test|testing)")
_SPLIT = re.compile(f"(?:^|[^a-z])(?:{_SIDE.pattern})(?:[^a-z]|$)")
_MAX_NESTING = 2


@dataclass(frozen=True)
class Sample:
    """One image of a dataset.

    Attributes
    ----------
    id : str
        Unique in its dataset; fit to be a file name.
    image_path : Path
    mask_paths : tuple of Path
        The annotation as it came: many binary masks, or one merged mask or label
        image. Empty for an unlabelled sample.
    layout : str
        A name of the table above.
    folder : Path
        Where ``labels.tif``, ``nucleiseg.json``, ... of this sample stand; it need not
        exist.
    modality, field : str
        Kind of microscopy, and field of view; samples of one field never stand on both
        sides of a split. Empty where unknown.
    split : str
        "train", "test" or "".
    """

    id: str
    image_path: Path
    mask_paths: tuple[Path, ...]
    layout: str
    folder: Path
    modality: str = ""
    field: str = ""
    split: str = ""


@dataclass(frozen=True)
class Found:
    """Samples of a folder, and one sentence for each thing in it that cannot be used."""

    root: Path
    layout: str
    samples: tuple[Sample, ...]
    problems: tuple[str, ...] = ()


def find_samples(folder: Path) -> Found:
    """Recognise the layout of a folder.

    Raises
    ------
    BadInput
        If the folder cannot be listed, holds no image in a known layout, or holds
        several datasets.
    """
    found = _find(folder, _MAX_NESTING)
    if found is None:
        raise BadInput(_nothing_found(folder))
    samples = sorted(found.samples, key=lambda each: natural_key(each.id))
    return replace(found, samples=tuple(_with_unique_ids(samples)))


def single_image(path: Path) -> Found:
    """Take one image as a dataset, with its mask where it stands beside it."""
    found = _beside(path.parent) or Found(path.parent, "images", ())
    mine = [each for each in found.samples if each.image_path == path]
    sample = mine[0] if mine else _sample(path, (), "images")
    layout = sample.layout if sample.mask_paths else "images"
    return Found(path.parent, layout, (replace(sample, layout=layout),))


def _nothing_found(folder: Path) -> str:
    archives = sorted(folder.glob("*.zip"))
    if archives:
        return f"{folder} holds no images, but {archives[0].name}: open that file."
    return (
        f"{folder} holds no images in a layout that is known; expected PNG, TIFF or JPEG files, "
        "or folders such as <id>/images and <id>/masks, or images and masks: open the folder "
        "that holds them."
    )


def _find(folder: Path, nesting: int) -> Found | None:
    """Try the layouts, the most specific first."""
    folders, files, _ = list_entries(folder)
    found = _kaggle(folder, folders) or _paired(folder, folders) or _splits(folder, folders)
    if files:
        found = _with_files(folder, files, found)
    if found is None and nesting:
        found = _nested(folder, folders, nesting)
    return found


def _with_files(folder: Path, files: Sequence[Path], found: Found | None) -> Found | None:
    """Choose between images in a folder itself and a dataset below it, and name the others."""
    own = _beside(folder)
    if found is None or own is None or any(each.folder == folder for each in found.samples):
        return found or own  # the files of one sample stand in its folder
    if len(own.samples) > len(found.samples) and not any(map(_is_annotated, found.samples)):
        return replace(own, problems=(*own.problems, _below_passed_over(folder, found.samples)))
    where = f"in {folder} itself, such as {files[0].name},"
    text = f"{_passed_over(len(files), where)}: put them into a folder of their own."
    return replace(found, problems=(*found.problems, text))


def _is_annotated(sample: Sample) -> bool:
    return bool(sample.mask_paths) or os.path.lexists(sample.folder / LABELS)


def _below_passed_over(folder: Path, samples: Sequence[Sample]) -> str:
    names = list(dict.fromkeys(each.image_path.relative_to(folder).parts[0] for each in samples))
    if len(names) == 1:
        return f"{_passed_over(len(samples), f'in {names[0]}')}: open {folder / names[0]}."
    where = f"in {names[0]} and {len(names) - 1} more folders"
    return f"{_passed_over(len(samples), where)}: put them into a folder of their own."


def _passed_over(count: int, where: str) -> str:
    images = "1 image {} is" if count == 1 else f"{count} images {{}} are"
    return f"{images.format(where)} passed over"


def _sample(image: Path, masks: Iterable[Path], layout: str) -> Sample:
    return Sample(image.stem, image, tuple(masks), layout, _own_folder(image))


def _own_folder(image: Path) -> Path:
    """Say where the files of an image without a folder of its own stand."""
    folder = image.parent / OWN_FOLDER / image.stem
    kept = image.stem.rstrip(" .")
    # Windows drops blanks and dots at the end of a folder's name. Earlier versions wrote them.
    if kept == image.stem or (not ON_WINDOWS and os.path.isdir(folder)):
        return folder
    dropped = image.stem[len(kept) :]
    return folder.with_name(kept + "".join(f"%{ord(letter):X}" for letter in dropped))


# --- kaggle


def _kaggle(folder: Path, folders: Sequence[Path]) -> Found | None:
    own = _kaggle_sample(folder)
    if own and (own.sample.mask_paths or own.sample.image_path.stem == folder.name):
        return Found(folder, "kaggle", (own.sample,), _left_out([own]))
    found: list[_KaggleSample] = []
    problems: list[str] = []
    for each in folders:
        if _SIDE.fullmatch(each.name.lower()):
            continue
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


def _unread_masks(paths: Sequence[Path]) -> tuple[str, ...]:
    if not paths:
        return ()
    others = f"and {len(paths) - 1} more files of masks are" if paths[1:] else "is"
    return (f"{paths[0]} {others} of a kind that is not read: save masks as PNG or TIFF.",)


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


def _paired(folder: Path, folders: Sequence[Path]) -> Found | None:
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
    samples = tuple(_sample(image, masks.pop(image.stem, ()), layout) for image in images)
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


def _beside(folder: Path) -> Found | None:
    """Take the files of one folder, some of which may be masks of others."""
    files = list_entries(folder).files
    names = mask_names(path.stem for path in files)
    belongs = {path for path in files if image_of(path.stem, names)}
    images, problems = one_for_each_stem([path for path in files if path not in belongs])
    annotations = [path for path in files if path in belongs and is_annotation(path.stem)]
    masks = masks_by_stem(annotations, names)
    layout = "cellpose" if masks else "images"
    samples = tuple(_sample(image, masks.get(image.stem, ()), layout) for image in images)
    return Found(folder, layout, samples, problems) if samples else None


# --- train and test, nesting


def split_of(name: str) -> str:
    """Which side a folder of this name stands for: "train", "test" or ""."""
    match = _SPLIT.search(name.lower())
    return "" if match is None else "train" if match[1] else "test"


def _splits(folder: Path, folders: Sequence[Path]) -> Found | None:
    """Join ``train`` and ``test`` (also ``stage1_train`` and the like)."""
    parts = [(each, split_of(each.name)) for each in folders]
    found = [(_find(each, 0), split) for each, split in parts if split]
    return _join(folder, [(each, split) for each, split in found if each])


def _join(folder: Path, parts: Sequence[tuple[Found, str]]) -> Found | None:
    if not parts:
        return None
    if len(parts) == 1 and not _SIDE.fullmatch(parts[0][0].root.name.lower()):
        return parts[0][0]
    splits = [split for _, split in parts]
    # Of several folders for one side, as train and val, each gives its own name.
    sides = [s if splits.count(s) == 1 else found.root.name for found, s in parts]
    samples = _with_sides(
        [[replace(each, split=split) for each in found.samples] for found, split in parts], sides
    )
    problems = tuple(text for found, _ in parts for text in found.problems)
    layouts = [found.layout for found, _ in parts if found.layout != "images"] or ["images"]
    return Found(folder, layouts[0], tuple(samples), problems)


def _nested(folder: Path, folders: Sequence[Path], nesting: int) -> Found | None:
    found: list[Found] = []
    problems: list[Unlistable] = []
    for each in folders:
        try:
            below = _find(each, nesting - 1)
        except Unlistable as error:
            if _is_listable(each):  # so something in it that may be a dataset is not
                raise
            problems.append(error)  # such as lost+found on a disk
            continue
        found += [below] if below else []
    if problems and not found:
        raise problems[0]
    if len(found) > 1:
        raise BadInput(
            f"{folder} holds several datasets ({found[0].root.name}, {found[1].root.name}"
            f"{', ...' if found[2:] else ''}): open one of them."
        )
    if not found:
        return None
    return replace(found[0], problems=(*found[0].problems, *map(str, problems)))


def _is_listable(folder: Path) -> bool:
    try:
        os.scandir(folder).close()
    except OSError:
        return False
    return True


def _with_sides(parts: Sequence[Sequence[Sample]], sides: Sequence[str]) -> list[Sample]:
    """Tell apart samples of one name in ``train`` and ``test``."""
    count = Counter(each.id.casefold() for part in parts for each in part)
    return [
        replace(each, id=f"{side}-{each.id}") if count[each.id.casefold()] > 1 else each
        for part, side in zip(parts, sides, strict=True)
        for each in part
    ]


def _with_unique_ids(samples: Sequence[Sample]) -> Iterator[Sample]:
    """Give a number to each id that is taken, as a file system sees it that ignores case."""
    given = {each.id.casefold() for each in samples}
    taken: set[str] = set()
    for each in samples:
        name, number = each.id, 1
        while name.casefold() in taken or (number > 1 and name.casefold() in given):
            number += 1
            name = f"{each.id}-{number}"
        taken.add(name.casefold())
        yield replace(each, id=name)
