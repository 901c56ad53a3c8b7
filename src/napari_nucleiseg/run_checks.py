"""Whether a training may write to a folder.

It must be the only one there, and the folder must be new or hold what the same run began.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from napari_nucleiseg.atomic import saving
from napari_nucleiseg.config import changed_values
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.folder_entries import entries_in
from napari_nucleiseg.json_files import read_json
from napari_nucleiseg.lock import RunLock
from napari_nucleiseg.run_folder import (
    CHECKPOINTS,
    CURRENT,
    CURVES,
    MODEL,
    PICTURES,
    REPORT,
    RUN,
    SPLIT,
    STOPPED,
    TENSORBOARD,
)
from napari_nucleiseg.run_request import Request

_WRITTEN = (RUN, MODEL, CURVES, REPORT, CHECKPOINTS, PICTURES, TENSORBOARD)


@contextmanager
def writing_alone(out: Path) -> Iterator[None]:
    """Keep other trainings out of the folder of a run, which is made.

    Raises
    ------
    BadInput
        If another training writes there, or nobody can.
    """
    is_new = not os.path.lexists(out)
    if not is_new and not os.path.isdir(out):
        raise BadInput(f"{out} is a file, and a run needs a folder; name another path.")
    with saving(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        with RunLock.acquire(out):
            yield
    finally:
        if is_new:
            with suppress(OSError):  # it stays if anything was written
                out.rmdir()


def check_new(out: Path) -> None:
    """Refuse a folder in which a run would write over or among what is none of a run.

    A log or a list of ids may stand there: people put them beside what they belong to.

    Raises
    ------
    BadInput
        Naming what stands there.
    """
    theirs = [name for name in _WRITTEN if os.path.lexists(out / name)]
    theirs += [each.name for part in entries_in(out)[:2] for each in part]
    if theirs:
        raise BadInput(
            f"{out} holds {theirs[0]} but no {SPLIT}, so no run was begun there; name another "
            "folder."
        )


def check_same_run(request: Request) -> None:
    """Refuse to go on with what was learned from another start, or with another config.

    Raises
    ------
    BadInput
        Naming what differs.
    """
    out = Path(request.out)
    if not (out / CURRENT).exists():
        return
    told = read_json(out / RUN)
    before = told.get("config") if isinstance(told, dict) else None
    if not isinstance(before, dict):
        return  # the checkpoint knows the config too
    starts = told.get("start") or "nothing", Path(request.start).name or "nothing"
    values = changed_values(before, request.config)
    if starts[0] != starts[1]:
        values["start"] = starts
    changed = [f"{name} ({was}, now {now})" for name, (was, now) in values.items()]
    if changed:
        raise BadInput(
            f"{out} holds a run begun with other values of: {', '.join(changed)}; give the same "
            "to go on with it, or another folder to begin a new one."
        )


def check_same_dataset(out: Path, now: Mapping[str, Any]) -> None:
    """Refuse to go on with what was begun on another dataset whose ids are the same.

    Parameters
    ----------
    out : Path
        Folder of the run.
    now : mapping
        What `describe` says of the request and of the run's samples in the dataset.

    Raises
    ------
    BadInput
        Naming both.
    """
    told = read_json(out / RUN)
    was = told.get("dataset") if isinstance(told, dict) else None
    if was and not _share_an_image(told.get("image_bytes"), now["image_bytes"]):
        raise BadInput(
            f"{out} holds a run that was begun on the dataset {was}, and none of its images is the "
            f"same in {now['dataset']}; give the former to go on with it, or another folder "
            "(--out) to begin a new one."
        )


def _share_an_image(before: Any, now: Mapping[str, int]) -> bool:
    """Compare sizes: a dataset may be renamed, and an image that was damaged be replaced."""
    known = before.keys() & now.keys() if isinstance(before, dict) else set()
    return not known or any(before[each] == now[each] for each in known)


def is_finished(out: Path) -> bool:
    """Tell whether the run in a folder came to its end, so that there is nothing to go on with."""
    parts = MODEL, CURRENT
    return all(os.path.exists(out / each) for each in parts) and not os.path.exists(out / STOPPED)


def note_finished(out: Path) -> str:
    """Say that nothing is trained where a run has come to its end; empty where it goes on."""
    if not is_finished(out):
        return ""
    return f"{out} is finished: nothing was trained; give another --out to train anew."
