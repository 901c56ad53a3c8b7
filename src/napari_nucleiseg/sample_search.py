"""Which samples there are in a folder, and below it.

Each of the `layouts` may stand in ``train/`` and ``test/``, and below folders that hold
nothing else. Hidden files, ``__MACOSX`` and what this program writes are passed over.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.folder_entries import Unlistable, list_entries, natural_key
from napari_nucleiseg.layouts import find_beside, find_kaggle, find_paired, image_sample
from napari_nucleiseg.sample import Found, Sample
from napari_nucleiseg.state import LABELS

_SIDE = re.compile("(train|training|val|valid|validation)|(test|testing)")
_SPLIT = re.compile(f"(?:^|[^a-z])(?:{_SIDE.pattern})(?:[^a-z]|$)")
_MAX_NESTING = 2
_OF_MICROSCOPES = (
    *(".bif", ".czi", ".dcm", ".dv", ".ims", ".lif", ".lsm", ".mrxs", ".nd2", ".ndpi", ".oib"),
    *(".oif", ".qptiff", ".scn", ".svs", ".vsi"),
)


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
    other = _other_kinds(folder)
    if other:
        found = replace(found, problems=(*found.problems, f"{other} {_EXPORT}"))
    samples = sorted(found.samples, key=lambda each: natural_key(each.id))
    return replace(found, samples=tuple(_with_unique_ids(samples)))


def single_image(path: Path) -> Found:
    """Take one image as a dataset, with its mask where it stands beside it."""
    found = find_beside(path.parent) or Found(path.parent, "images", ())
    mine = [each for each in found.samples if each.image_path == path]
    sample = mine[0] if mine else image_sample(path, (), "images")
    layout = sample.layout if sample.mask_paths else "images"
    return Found(path.parent, layout, (replace(sample, layout=layout),))


def _nothing_found(folder: Path) -> str:
    other = _other_kinds(folder)
    if other:
        return f"{folder} holds no images that can be read: {other} {_EXPORT}"
    archives = sorted(folder.glob("*.zip"))
    if archives:
        return f"{folder} holds no images, but {archives[0].name}: open that file."
    return (
        f"{folder} holds no images in a layout that is known; expected PNG, TIFF or JPEG files, "
        "or folders such as <id>/images and <id>/masks, or images and masks: open the folder "
        "that holds them."
    )


_EXPORT = (
    "of a kind that is not read: export the channel that shows the nuclei as one TIFF or PNG for "
    "each image."
)


def _other_kinds(folder: Path) -> str:
    """Name the first of the files in a folder that only a microscope's program reads."""
    names = [each.name for each in os.scandir(folder) if not each.name.startswith(".")]
    others = sorted((n for n in names if n.lower().endswith(_OF_MICROSCOPES)), key=natural_key)
    if not others:
        return ""
    return f"{others[0]} and {len(others) - 1} more are" if others[1:] else f"{others[0]} is"


def _find(folder: Path, nesting: int) -> Found | None:
    """Try the layouts, the most specific first."""
    folders, files, _ = list_entries(folder)
    no_sides = [each for each in folders if not _is_side(each)]
    found = find_kaggle(folder, no_sides) or find_paired(folder, folders)
    found = found or _splits(folder, folders)
    if files:
        found = _with_files(folder, files, found)
    if found is None and nesting:
        found = _nested(folder, folders, nesting)
    return found


def _with_files(folder: Path, files: Sequence[Path], found: Found | None) -> Found | None:
    """Choose between images in a folder itself and a dataset below it, and name the others."""
    own = find_beside(folder)
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


# --- train and test


def split_of(name: str) -> str:
    """Which side a folder of this name stands for: "train", "test" or ""."""
    match = _SPLIT.search(name.lower())
    return "" if match is None else "train" if match[1] else "test"


def _is_side(folder: Path) -> bool:
    return _SIDE.fullmatch(folder.name.lower()) is not None


def _splits(folder: Path, folders: Sequence[Path]) -> Found | None:
    """Join ``train`` and ``test`` (also ``stage1_train`` and the like)."""
    parts = [(each, split_of(each.name)) for each in folders]
    found = [(_find(each, 0), split) for each, split in parts if split]
    return _join(folder, [(each, split) for each, split in found if each])


def _join(folder: Path, parts: Sequence[tuple[Found, str]]) -> Found | None:
    if not parts:
        return None
    if len(parts) == 1 and not _is_side(parts[0][0].root):
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


def _with_sides(parts: Sequence[Sequence[Sample]], sides: Sequence[str]) -> list[Sample]:
    """Tell apart samples of one name in ``train`` and ``test``."""
    count = Counter(each.id.casefold() for part in parts for each in part)
    return [
        replace(each, id=f"{side}-{each.id}") if count[each.id.casefold()] > 1 else each
        for part, side in zip(parts, sides, strict=True)
        for each in part
    ]


# --- below


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


# --- ids


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
