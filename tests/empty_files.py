"""Folders of empty files: recognising a layout reads names only."""

from __future__ import annotations

from pathlib import Path

from napari_nucleiseg.sample_search import find_samples


def made(root: Path, *names: str) -> Path:
    """Make empty files below a folder, and give the folder."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def masks_of(root: Path) -> dict[str, list[str]]:
    """Give the paths of the masks of each sample that is found, by its id."""
    found = find_samples(root)
    return {
        each.id: [path.relative_to(found.root).as_posix() for path in each.mask_paths]
        for each in found.samples
    }
