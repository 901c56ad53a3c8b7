"""Training runs on the disk: begun, interrupted, finished, kept.

A run is a folder beside the person's models. It can be gone on with until a person has
decided whether its model is used; what is in it besides the request belongs to `run_record`,
`trained_model` and `nn.run_files`.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_nucleiseg.atomic import discard, retry_while_locked, stage_folder
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.json_files import read_json, write_json
from napari_nucleiseg.lock import RunLock
from napari_nucleiseg.models import (
    Model,
    check_model_folder,
    list_models,
    read_model,
    user_models_folder,
)
from napari_nucleiseg.run_folder import (
    CURRENT,
    CURVES,
    DECIDED,
    MODEL,
    PICTURES,
    REQUEST,
    STOPPED,
    TENSORBOARD,
)

_LONGEST_NAME = 56


@dataclass(frozen=True)
class Run:
    """A training run.

    Attributes
    ----------
    folder : Path
    request : dict
        The fields of `TrainRequest` as JSON holds them.
    """

    folder: Path
    request: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the model that it makes."""
        return str(self.request["name"])

    @property
    def has_best(self) -> bool:
        """Whether a model could be made of it now."""
        return os.path.isfile(self.folder / CURRENT)

    @property
    def is_trained(self) -> bool:
        """Whether it came to its end: all that is left is to decide on its model."""
        return os.path.exists(self.folder / MODEL) and not os.path.exists(self.folder / STOPPED)

    @property
    def tensorboard_command(self) -> str:
        """What shows its curves in TensorBoard, for a shell."""
        return f'tensorboard --logdir "{self.folder / TENSORBOARD}"'

    def pictures(self) -> list[Path]:
        """List the pictures of a held-out image, the one before training first."""
        return sorted((self.folder / PICTURES).glob("step-*.png"))


def runs_folder() -> Path:
    """Folder of all runs, beside that of the person's models."""
    return user_models_folder().parent / "runs"


def free_name(wanted: str) -> str:
    """Find a name that neither a model nor a run has: "cells", then "cells-2".

    Names that differ in capitals alone are the same on many disks.
    """
    taken = {name for model in list_models() for name in (model.name, model.folder.name)}
    for folder in (user_models_folder(), runs_folder()):
        with suppress(OSError):
            taken.update(os.listdir(folder))
    return _first_free(wanted, taken)


def _first_free(wanted: str, taken: Iterable[str]) -> str:
    folded = {each.casefold() for each in taken}
    name, number = wanted, 2
    while name.casefold() in folded:
        name, number = f"{wanted}-{number}", number + 1
    return name


def plain_name(name: str) -> str:
    """Make a model's and a folder's name of what a person typed, or of a folder's name."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name.strip())
    # Short enough for the number that `free_name` adds.
    return kept.strip("-_")[:_LONGEST_NAME].rstrip("-_") or "model"


def begin_run(request: dict[str, Any]) -> Run:
    """Make the folder of a run; "out" of the request is set to it.

    Parameters
    ----------
    request : dict
        The fields of `TrainRequest`, without "out". "name" is free as `free_name` says.

    Raises
    ------
    BadInput
        If the disk does not take it.
    """
    folder = runs_folder() / request["name"]
    run = Run(folder, {**request, "out": str(folder)})
    try:
        folder.mkdir(parents=True)
        write_json(folder / REQUEST, run.request)
    except OSError as error:
        raise BadInput(
            f"The folder {folder} cannot be made ({error.strerror}); give the model another "
            "name, or make room on the disk."
        ) from error
    return run


def unfinished_run(dataset: Path) -> Run | None:
    """Find the run on a dataset that was begun last, if it can be gone on with.

    Returns
    -------
    Run, or None
        One that was interrupted, or stopped by hand, or on whose model nobody has decided;
        None also where a later run on the same dataset is over, or goes on just now.
    """
    for file in sorted(_requests(), key=_time_of, reverse=True):
        run = _read_run(file)
        if run is not None and run.request["dataset"] == str(dataset):
            is_over = run.is_trained and os.path.exists(run.folder / DECIDED)
            return None if is_over or RunLock.is_held(run.folder) else run
    return None


def _requests() -> list[Path]:
    folder = runs_folder()
    try:
        return [folder / name / REQUEST for name in os.listdir(folder)]
    except OSError:
        return []


def _time_of(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _read_run(file: Path) -> Run | None:
    request = read_json(file)
    is_whole = isinstance(request, dict) and {"dataset", "name", "out"} <= set(request)
    if not is_whole or not all(isinstance(request[key], str) for key in ("dataset", "name", "out")):
        return None
    return Run(file.parent, request)


@dataclass(frozen=True)
class Point:
    """One validation of a run: NaN where nothing was measured.

    Attributes
    ----------
    step : int
    loss, mean_ap, ap_50 : float
        On validation; the loss is that of training.
    train_ap_50 : float
        On some training images.
    """

    step: int
    loss: float
    mean_ap: float
    ap_50: float
    train_ap_50: float


def read_curves(folder: Path) -> list[Point]:
    """Read the validations that a run has done, up to the first that is no row of numbers."""
    points: list[Point] = []
    path = folder / CURVES
    with (
        suppress(OSError, ValueError, KeyError, TypeError, csv.Error),
        path.open(encoding="utf-8", newline="") as file,
    ):
        points.extend(map(_point, csv.DictReader(file)))  # those before a torn row stay
    return points


def _point(row: dict[str, str]) -> Point:
    values = (float(row.get(name) or "nan") for name in _MEASURED)
    return Point(int(row["step"]), *values)


_MEASURED = ("loss", "mean_ap", "ap_50", "train_ap_50")


def note_decision(folder: Path) -> None:
    """Note that a person has decided on a model; `folder` is that of the model in its run."""
    with suppress(OSError):  # else it is asked for again, which does no harm
        (folder.parent / DECIDED).touch()


def keep_model(folder: Path, name: str) -> Model:
    """Copy a trained model to the person's models, whole or not at all; it is decided on.

    Parameters
    ----------
    folder : Path
        The model in its run.
    name : str
        Of the folder to make; another free one is found if it is taken by now.

    Raises
    ------
    BadInput
        If the model does not pass `check_model_folder`, or the disk does not take it;
        nothing is left of it then.
    """
    parent = user_models_folder()
    try:
        parent.mkdir(parents=True, exist_ok=True)
        kept = read_model(_copy_in(folder, parent, name))
    except OSError as error:
        raise BadInput(
            f"The model cannot be written to {parent} ({error.strerror or error}); make room "
            "on the disk. It stays where it was trained."
        ) from error
    note_decision(folder)
    return kept


def _copy_in(folder: Path, parent: Path, name: str) -> Path:
    new = stage_folder(parent / name)
    try:
        shutil.copytree(folder, new, dirs_exist_ok=True)
        os.utime(new)  # the time of the old one is copied too, and would make it a leftover
        check_model_folder(new)
        kept = parent / _first_free(name, os.listdir(parent))
        retry_while_locked(os.rename, new, kept)
        return kept
    finally:
        discard(new)
