"""Weights in HDF5 files of Keras: written by Keras, and read from strangers without it.

Keras' own loaders are kept away from a stranger's file: they may run code that the file
names, follow links out of it, and take the memory that it declares. Here the file is
compared with one that our own network writes, and only plain arrays that are expected are
read, one by one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from napari_nucleiseg.atomic import write_bytes_atomically
from napari_nucleiseg.config import NETWORKS
from napari_nucleiseg.model_check import MAX_FILE_BYTES, open_regular, refuse
from napari_nucleiseg.nn.networks import build_network
from napari_nucleiseg.nn.weights import Arrays, set_weights

_WHOLE = "model_weights"  # where the file of a whole model has its weights
_OPTIMIZER = ("optimizer", "optimizer_weights")  # skipped
MAX_OBJECTS, _MAX_DEPTH = 5000, 12


def write_h5(path: Path, network: str, weights: Mapping[str, np.ndarray]) -> None:
    """Write a network and its weights as one .h5 file that Keras loads.

    Parameters
    ----------
    path : Path
        Replaced only when the new file is complete.
    network : str
        Name of the architecture.
    weights : mapping of str to array
        By Keras' path of each weight.
    """
    model = build_network(network)
    set_weights(model, weights)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "model.h5"
        model.save(made)
        data = made.read_bytes()
    write_bytes_atomically(path, data)


def read_h5(path: Path, network: str = "") -> tuple[str, Arrays]:
    """Read the weights of one of our networks from a file that may come from a stranger.

    Files of a whole model (``model.save("x.h5")``), of weights in the same layout, and of
    weights in the newer one (``model.save_weights("x.weights.h5")``) are known. Only the
    arrays are read: no layer, function or link that the file names.

    Parameters
    ----------
    path : Path
    network : str
        Name of the architecture; the one that fits when empty.

    Returns
    -------
    network : str
    weights : dict of str to float32 array
        By Keras' path of each weight.

    Raises
    ------
    BadInput
        If the file is not a regular one or too large, is no HDF5 file, holds anything but
        groups and plain float32 arrays with the names and shapes of the network, or a
        value is not finite.
    """
    with open_regular(path, MAX_FILE_BYTES) as plain:
        try:
            with h5py.File(plain, "r") as file:
                return _read(file, [network] if network else list(NETWORKS))
        except (ValueError, OSError, KeyError, RuntimeError, TypeError) as error:
            raise refuse(path, f"is no file of weights for a network here ({error})") from error


def _read(file: h5py.File, networks: list[str]) -> tuple[str, Arrays]:
    arrays = _walk(file)
    layout = _layout(file)
    complaints = []
    for network in networks:
        known = _layout_of(network, layout)
        complaint = known.complaint(arrays)
        if not complaint:
            return network, {known.names[key]: _values(key, arrays[key]) for key in known.names}
        complaints.append(f"{network}: {complaint}")
    raise ValueError("; ".join(complaints))


def _layout(file: h5py.File) -> str:
    """Tell the three layouts apart by what stands at the top."""
    if _WHOLE in file:
        return _WHOLE
    return "layers" if "layers" in file else ""


@dataclass(frozen=True)
class _Known:
    """What a file of a network's weights holds.

    Attributes
    ----------
    names : dict of str to str
        Keras' path of a weight by the array's place in the file.
    shapes : dict of str to tuple of int
    """

    names: dict[str, str]
    shapes: dict[str, tuple[int, ...]]

    def complaint(self, arrays: Mapping[str, h5py.Dataset]) -> str:
        """Say what does not fit; nothing where all does."""
        for key in sorted(arrays.keys() ^ self.names.keys()):
            side = "is missing" if key in self.names else "is not known"
            return f"{key[:80]!r} {side}"
        for key, shape in self.shapes.items():
            if arrays[key].shape != shape:
                return f"{key!r} has the shape {arrays[key].shape}; expected {shape}"
        return ""


def _layout_of(network: str, layout: str) -> _Known:
    """Learn a layout from a file that Keras writes, whose n-th weight is all n."""
    model = build_network(network)
    for number, each in enumerate(model.weights):
        each.assign(np.full(each.shape, number, np.float32))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("made.weights.h5" if layout == "layers" else "made.h5")
        (model.save_weights if layout == "layers" else model.save)(path)
        with h5py.File(path, "r") as file:
            arrays = _walk(file)
            paths = [each.path for each in model.weights]
            names = {key: paths[int(each[()].flat[0])] for key, each in arrays.items()}
            shapes = {key: each.shape for key, each in arrays.items()}
    cut = 0 if layout else len(_WHOLE) + 1
    return _Known(
        {key[cut:]: name for key, name in names.items()},
        {key[cut:]: shape for key, shape in shapes.items()},
    )


def _walk(file: h5py.File) -> dict[str, h5py.Dataset]:
    """List the arrays by their places; nothing but hard links is followed."""
    arrays: dict[str, h5py.Dataset] = {}
    for count, (key, each) in enumerate(_objects(file, "", 0)):
        if count > MAX_OBJECTS:
            raise ValueError(f"it holds more than {MAX_OBJECTS} objects")
        if not isinstance(each, h5py.Group):
            _check_array(key, each)
            arrays[key.removesuffix(":0")] = each
    return arrays


def _objects(group: h5py.Group, prefix: str, depth: int) -> Iterator[tuple[str, h5py.HLObject]]:
    if len(group) > MAX_OBJECTS or depth > _MAX_DEPTH:
        raise ValueError(f"its groups are too large or too deep: {prefix[:80]!r}")
    for name in group:
        key = f"{prefix}{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{key[:80]!r} is a link out of its place")
        if depth == 0 and name in _OPTIMIZER:
            continue
        each = group[name]
        yield key, each
        if isinstance(each, h5py.Group):
            yield from _objects(each, f"{key}/", depth + 1)


def _check_array(key: str, each: h5py.HLObject) -> None:
    """Refuse all but arrays whose values stand in the file as they are."""
    if not isinstance(each, h5py.Dataset) or each.dtype != np.dtype("<f4"):
        raise ValueError(f"{key[:80]!r} is no array of float32")
    if each.is_virtual or each.external or each.chunks is not None:
        raise ValueError(f"{key[:80]!r} is not stored plainly; save the file again with Keras")
    if each.id.get_storage_size() != each.nbytes:
        raise ValueError(f"{key[:80]!r} declares {each.nbytes} bytes and has fewer")


def _values(key: str, each: h5py.Dataset) -> np.ndarray:
    values = np.asarray(each[()], np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"{key!r} has values that are not finite")
    return values
