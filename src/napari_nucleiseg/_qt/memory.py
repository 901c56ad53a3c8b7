"""What the plugin remembers from one start to the next: recent datasets, folders."""

from __future__ import annotations

import os
from pathlib import Path

from qtpy.QtCore import QSettings

RECENT, MOST = "recent", 8
FOLDER_VARIABLE = "NUCLEISEG_SETTINGS"


def _settings() -> QSettings:
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return QSettings(str(Path(named) / "settings.ini"), QSettings.Format.IniFormat)
    return QSettings("napari-nucleiseg", "napari-nucleiseg")


def recent_datasets() -> list[Path]:
    """List the datasets opened last that are still there, the latest first."""
    return [Path(each) for each in _strings(RECENT) if os.path.exists(each)]


def remember_dataset(path: Path) -> None:
    """Put a dataset at the head of the recent ones."""
    name = str(path.absolute())
    names = [name, *(each for each in _strings(RECENT) if each != name)]
    _settings().setValue(RECENT, names[:MOST])


def _strings(key: str) -> list[str]:
    value = _settings().value(key, [])
    # An ini file gives a list of one back as plain text.
    return [value] if isinstance(value, str) else list(value or [])


def correction_folder_of(root: Path) -> Path | None:
    """Give the folder where corrections of a dataset go instead; it may be out of reach."""
    value = _settings().value(_key(root), "")
    return Path(value) if value else None


def remember_correction_folder(root: Path, folder: Path) -> None:
    """Remember where corrections of a dataset go instead."""
    _settings().setValue(_key(root), str(folder.absolute()))


def forget_correction_folder(root: Path) -> None:
    """Let corrections of a dataset go where its images are."""
    _settings().remove(_key(root))


def _key(root: Path) -> str:
    # A path as a key would be read as nested groups.
    return f"corrections/{os.fsencode(root.resolve()).hex()}"
