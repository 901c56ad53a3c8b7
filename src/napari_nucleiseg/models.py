"""Model folders: finding, checking, reading and writing them.

A model is a folder of three files: `model.json` says what it is, `weights.npz` holds the
weights for training further, `network.onnx` is the same network for prediction. The
architecture is never read from the weights: `model.json` names one of ours.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.folder_swap import refuse_to_replace, restore_interrupted, write_folder
from napari_nucleiseg.model_check import (
    FORMAT,
    INFO,
    NETWORK,
    WEIGHTS,
    decode_config,
    input_of_networks,
    is_name,
    read_checked_graph,
    read_info,
)
from napari_nucleiseg.run_folder import MODEL
from napari_nucleiseg.weights_file import read_weights_file, weights_to_bytes

FOLDER_VARIABLE = "NUCLEISEG_MODELS"


@dataclass(frozen=True)
class Model:
    """A trained network on disk.

    Attributes
    ----------
    folder : Path
        Where `model.json`, `weights.npz` and `network.onnx` stand.
    name : str
        How it is called on the command line and in the docks.
    network : str
        Name of the architecture: "nuclei", "mobilenetv2-unet" or "unet".
    decode : DecodeConfig
        The thresholds that were tuned for it.
    diameter : float
        Median diameter [px] of the nuclei that it was trained on.
    info : dict
        All of `model.json`.
    """

    folder: Path
    name: str
    network: str
    decode: DecodeConfig
    diameter: float
    info: dict[str, Any] = dataclasses.field(repr=False, compare=False)


def shipped_models_folder() -> Path:
    """Folder of the models that come with the program."""
    return Path(__file__).parent / "shipped"


def user_models_folder() -> Path:
    """Folder of the person's own models; the variable NUCLEISEG_MODELS names another one."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return _expanded(named)
    return Path(platformdirs.user_data_dir("napari-nucleiseg", appauthor=False)) / "models"


def _expanded(path: str) -> Path:
    # Path.expanduser raises RuntimeError for a user that there is not.
    return Path(os.path.expanduser(path))


def list_models(*folders: Path) -> list[Model]:
    """List the models in folders of models.

    Parameters
    ----------
    *folders : Path
        Each holds one folder a model; without any, the shipped models and the person's
        own. A folder that is not there counts as empty.

    Returns
    -------
    list of Model
        In the order of the folders, then by name; without those whose `model.json` is
        unusable (`model_problems` tells of them).
    """
    return _scan(folders)[0]


def model_problems(*folders: Path) -> list[str]:
    """Say, one sentence each, why folders beside the listed models are not usable."""
    return _scan(folders)[1]


def _scan(folders: tuple[Path, ...]) -> tuple[list[Model], list[str]]:
    models, problems = [], []
    for folder in folders or (shipped_models_folder(), user_models_folder()):
        try:
            names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        except OSError as error:
            problems.append(f"{folder} cannot be read ({error.strerror}); make it readable.")
            continue
        for each in (folder / name for name in names if not name.startswith(".")):
            if not os.path.isdir(each):  # no error where it is unreadable, as Path.is_dir has
                continue
            try:
                models.append(read_model(each))
            except BadInput as error:
                problems.append(str(error))
    return models, problems


def find_model(name_or_path: str | Path) -> Model:
    """Find a model by its name or its folder.

    Parameters
    ----------
    name_or_path : str or Path
        A name is looked up among the shipped models and then among the person's own; what
        is no known name is taken as a path.

    Returns
    -------
    Model

    Raises
    ------
    BadInput
        If there is none; the message lists those that there are.
    """
    wanted = str(name_or_path)
    if not wanted:
        raise BadInput("The model has no name; name one, or give the path of a model's folder.")
    models = list_models()
    for model in models:
        if wanted in (model.name, model.folder.name):
            return model
    parents = (shipped_models_folder(), user_models_folder()) if is_name(wanted) else ()
    for folder in (*(parent / wanted for parent in parents), _expanded(wanted)):
        with suppress(OSError):  # where nothing may be written, it is read as it stands
            restore_interrupted(folder)
        if os.path.isdir(folder):  # unlike Path.is_dir, no error for an impossible name
            _refuse_run(folder)
            return read_model(folder)
    there_is = ", ".join(model.name for model in models) or "none"
    raise BadInput(
        f"There is no model {wanted!r:.200}; name one of those that there are"
        f" ({there_is}) or give the path of a model's folder."
    )


def _refuse_run(folder: Path) -> None:
    """Tell the folder of a training run from that of the model in it."""
    model = folder / MODEL
    if not os.path.lexists(folder / INFO) and os.path.isfile(model / INFO):
        raise BadInput(f"{folder} is a training run and no model; did you mean {model}?")


def read_model(folder: Path) -> Model:
    """Read what a model folder says of itself; weights and network are not touched yet.

    Raises
    ------
    BadInput
        If `model.json` is missing or unusable.
    """
    folder = Path(folder)
    info = read_info(folder / INFO)
    return Model(
        folder, info["name"], info["network"], decode_config(info["decode"]),
        float(info["diameter"]), info,
    )  # fmt: skip


def read_graph(model: Model) -> bytes:
    """Read a model's ONNX graph, checked.

    Raises
    ------
    BadInput
        If it is damaged, or more than a plain network.
    """
    return read_checked_graph(model.folder / NETWORK, model.info["files"][NETWORK])


def read_weights(model: Model) -> dict[str, np.ndarray]:
    """Read a model's weights, checked.

    Returns
    -------
    dict of str to float32 array
        By Keras' path of each weight. Whether these are the weights of the network is for
        the caller to check, who can build it.

    Raises
    ------
    BadInput
        If the file is damaged, or anything but finite arrays of floats.
    """
    return read_weights_file(model.folder / WEIGHTS, model.info["files"][WEIGHTS])


def check_model_folder(folder: Path) -> Model:
    """Check everything in a model folder that may come from a stranger.

    No code of the folder runs, and no file outside it is opened. What needs Keras, the
    names and shapes of the network's weights, is checked where they are loaded.

    Returns
    -------
    Model

    Raises
    ------
    BadInput
        Naming the file and what is wrong with it.
    """
    from napari_nucleiseg.self_test import check_network

    model = read_model(folder)
    read_weights(model)
    check_network(read_graph(model), model.folder / NETWORK, model.info["input"]["multiple"])
    return model


def check_place(folder: Path) -> None:
    """Refuse with `BadInput` to write a model where anything but an old one stands."""
    refuse_to_replace(Path(folder), (INFO, WEIGHTS, NETWORK))


def write_model(
    folder: Path,
    *,
    network: str,
    weights: Mapping[str, np.ndarray],
    graph: bytes,
    decode: DecodeConfig,
    diameter: float,
    name: str = "",
    training: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
    versions: Mapping[str, Any] | None = None,
) -> Model:
    """Write a model folder, whole or not at all.

    A folder of the same name is replaced only when the new one stands beside it, complete
    and checked.

    Parameters
    ----------
    folder : Path
        The folder to make; its parents are made too.
    network : str
        Name of the architecture.
    weights : mapping of str to float16 or float32 array
        By Keras' path of each weight.
    graph : bytes
        The ONNX file.
    decode : DecodeConfig
        Thresholds tuned for the network.
    diameter : float
        Median diameter [px] of the nuclei in training.
    name : str
        The folder's name by default.
    training, scores, versions : mapping, optional
        What JSON can hold, kept for the record.

    Returns
    -------
    Model

    Raises
    ------
    BadInput
        If what was written does not pass `check_model_folder`, or `check_place` refuses the
        folder; nothing is replaced then.
    OSError
        If the disk is full or read-only; nothing is replaced then.
    """
    folder = Path(folder)
    files = {WEIGHTS: weights_to_bytes(weights), NETWORK: graph}
    info = {
        "format": FORMAT,
        "name": name or folder.name,
        "network": network,
        "input": input_of_networks(),
        "decode": dataclasses.asdict(decode),
        "diameter": float(diameter),
        "training": dict(training or {}),
        "scores": dict(scores or {}),
        "versions": dict(versions or {}),
        "files": {each: hashlib.sha256(data).hexdigest() for each, data in files.items()},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    files[INFO] = json.dumps(info, indent=1, allow_nan=False).encode()
    write_folder(folder, files, check_model_folder)
    return read_model(folder)
