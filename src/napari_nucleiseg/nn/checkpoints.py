"""Checkpoints that survive a kill at any moment.

A checkpoint is a folder of its own, written under a temporary name, renamed into place,
and only then named in the file ``CURRENT``. Whatever is half written is never named
there, and a checkpoint whose hashes do not fit is passed over for the one before.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleiseg.atomic import (
    discard,
    discard_leftovers,
    retry_while_locked,
    saving,
    stage_folder,
    sync_folder,
    write_bytes_atomically,
    write_new_file,
)
from napari_nucleiseg.folder_swap import is_of_desktop
from napari_nucleiseg.run_folder import CURRENT

Arrays = dict[str, np.ndarray]
KEPT = 2
_STEP = re.compile(r"step-\d{8,}")
_STATE = "state.json"
_DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    zipfile.BadZipFile,
)


def write_checkpoint(
    folder: Path, step: int, state: dict[str, Any], parts: dict[str, Arrays]
) -> None:
    """Write a checkpoint and make it the current one.

    Parameters
    ----------
    folder : Path
        Holds all checkpoints of a run.
    step : int
        Training steps done.
    state : dict
        What JSON can hold.
    parts : dict of str to dict of str to array
        One file of arrays each, e.g. weights and optimizer.

    Raises
    ------
    SaveFailed
        If it cannot be written; the earlier checkpoints stay.
    """
    blobs = {f"{name}.npz": _to_bytes(arrays) for name, arrays in parts.items()}
    hashes = {name: hashlib.sha256(blob).hexdigest() for name, blob in blobs.items()}
    blobs[_STATE] = json.dumps({"step": step, "state": state, "files": hashes}).encode()
    target = folder / f"step-{step:08d}"
    with saving(target):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = stage_folder(target)
        try:
            for name, blob in blobs.items():
                write_new_file(temporary / name, blob)
            sync_folder(temporary)
            if _is_ours(target):
                shutil.rmtree(target, ignore_errors=True)
            retry_while_locked(os.rename, temporary, target)
        finally:
            discard(temporary)
    write_bytes_atomically(folder / CURRENT.name, target.name.encode())
    _drop_old(folder, target)


def read_checkpoint(folder: Path) -> tuple[int, dict[str, Any], dict[str, Arrays]] | None:
    """Read the current checkpoint, or the newest whole one where it is damaged.

    Returns
    -------
    step, state, parts
        As they were written; None where there is no whole checkpoint.
    """
    for candidate in _candidates(folder):
        found = _read_verified(candidate)
        if found is not None:
            return found
    return None


def _candidates(folder: Path) -> list[Path]:
    found = sorted(folder.glob("step-*"), reverse=True) if folder.is_dir() else []
    current = folder / CURRENT.name
    if current.is_file():
        named = folder / current.read_text(errors="replace").strip()
        found.sort(key=lambda each: each != named)
    return found


def _read_verified(folder: Path) -> tuple[int, dict[str, Any], dict[str, Arrays]] | None:
    try:
        content = json.loads((folder / "state.json").read_bytes())
        parts = {}
        for name, expected in content["files"].items():
            blob = (folder / name).read_bytes()
            if hashlib.sha256(blob).hexdigest() != expected:
                return None
            with np.load(io.BytesIO(blob), allow_pickle=False) as arrays:
                parts[Path(name).stem] = dict(arrays)
        return int(content["step"]), dict(content["state"]), parts
    except _DAMAGED:
        return None


def _to_bytes(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _drop_old(folder: Path, current: Path) -> None:
    # Those of later steps are damaged, or the run would have gone on from them: training
    # comes to their steps again.
    before = [each for each in sorted(folder.glob("step-*")) if each.name < current.name]
    ours = [each for each in before if _is_ours(each)]
    for each in ours[: -(KEPT - 1)]:
        shutil.rmtree(each, ignore_errors=True)
    discard_leftovers(folder)
    for each in folder.glob(".nucleiseg-new-*"):  # what a kill left of earlier versions
        discard(each)


def _is_ours(folder: Path) -> bool:
    """Whether a folder holds nothing but a checkpoint, or what a kill left of one."""
    if not _STEP.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
        return False
    return all(
        each.name == _STATE or each.suffix == ".npz" or is_of_desktop(each.name)
        for each in folder.iterdir()
    )
