"""Models out to Keras' .h5 files, and weights in from them, as jobs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from napari_nucleiseg.atomic import saving
from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.model_check import MAX_FILE_BYTES, check_name, open_regular
from napari_nucleiseg.models import (
    find_model,
    list_models,
    read_weights,
    user_models_folder,
    write_model,
)
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.training_packages import require_packages


def check_h5_place(file: Path) -> None:
    """Refuse to write a .h5 file into no folder, or over anything but a model of Keras.

    Raises
    ------
    BadInput
        Saying which it is.
    """
    if not os.path.isdir(file.absolute().parent):
        raise BadInput(f"The folder of {file} does not exist; make it, or name another file.")
    if os.path.lexists(file) and not _is_of_keras(file):
        raise BadInput(f"{file} is no model of Keras and is not replaced; name another file.")


def _is_of_keras(file: Path) -> bool:
    import h5py

    try:
        with h5py.File(file, "r") as opened:
            return "keras_version" in opened.attrs
    except (OSError, RuntimeError):
        return False


def save_h5(model: str | Path, file: Path) -> None:
    """Write a model also as one .h5 file of Keras.

    Parameters
    ----------
    model : str or Path
        Name or folder.
    file : Path
        Replaced only when the new one is complete.

    Raises
    ------
    BadInput
        If the model cannot be used, or the file not written.
    """
    from napari_nucleiseg.nn.h5_weights import write_h5

    found = find_model(model)
    try:
        write_h5(file, found.network, read_weights(found))
    except OSError as error:
        raise BadInput(f"{file} cannot be written ({error}); name another file.") from error


def import_h5(
    file: Path, name: str, network: str = "", diameter: float = 20.0
) -> Iterator[Progress]:
    """Make a model of the weights in a stranger's .h5 file.

    Parameters
    ----------
    file : Path
    name : str
        Of the new model, among the person's own.
    network : str
        Its architecture; found by the weights' names and shapes when empty.
    diameter : float
        Median diameter [px] of the nuclei that it was trained on.

    Yields
    ------
    Progress
        At last kind "result" with "model", the model's folder, and "network".

    Raises
    ------
    BadInput
        If the name is no good or taken, or the file is missing or does not hold exactly the
        finite weights of the network. Nothing is written then.
    """
    require_packages()
    check_name(name)
    if not 1 <= diameter <= 1000:
        raise BadInput(f"The diameter is {diameter}; expected 1 to 1000 px.")
    folder = _folder_of_new(name)
    _check_given(file)  # Keras takes 10 s to come
    from napari_nucleiseg.nn.export import weights_to_onnx
    from napari_nucleiseg.nn.h5_weights import read_h5

    yield Progress(0, 3, "Reading the weights", "read")
    network, weights = read_h5(file, network)
    yield Progress(1, 3, "Exporting the network", "export")
    graph = weights_to_onnx(network, weights)
    yield Progress(2, 3, "Writing the model", "write")
    with saving(folder):
        written = write_model(
            folder,
            network=network,
            weights=weights,
            graph=graph,
            decode=DecodeConfig(),
            diameter=diameter,
            training={"imported": file.name, "weights_sha256": _hash_of(weights)},
        )
    values = {"model": str(written.folder), "network": network}
    yield Progress(3, 3, "Imported", "result", values)


def _check_given(file: Path) -> None:
    if not os.path.lexists(file):
        raise BadInput(f"There is no file {file}; name a .h5 file that Keras has written.")
    with open_regular(file, MAX_FILE_BYTES):
        pass


def _folder_of_new(name: str) -> Path:
    """Give the folder of a new model among the person's own; refuse a name that is taken."""
    folder = user_models_folder() / name
    is_taken = any(name in (each.name, each.folder.name) for each in list_models())
    # A folder that is no model here may be one of a newer version.
    if is_taken or os.path.lexists(folder):
        raise BadInput(f"There is a model {name} already; choose another name.")
    return folder


def _hash_of(weights: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for key in sorted(weights):
        digest.update(key.encode() + weights[key].tobytes())
    return digest.hexdigest()
