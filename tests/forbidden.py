"""Folders that may not be entered, also where the tests run as root, who may enter all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest


def forbid(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let a folder be neither listed nor entered, as after `chmod 0`."""
    for name in ("listdir", "lstat", "scandir", "stat"):
        _forbid(monkeypatch, name, folder, itself=name in ("listdir", "scandir"))


def _forbid(monkeypatch: pytest.MonkeyPatch, name: str, folder: Path, *, itself: bool) -> None:
    real = getattr(os, name)

    def refusing(path: Any = ".", *args: Any, **options: Any) -> Any:
        asked = None if isinstance(path, int) else Path(os.fsdecode(path))
        if asked is not None and (folder in asked.parents or (itself and asked == folder)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(os, name, refusing)
