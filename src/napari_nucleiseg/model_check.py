"""Checks of a model folder that may come from a stranger: nothing is loaded before them.

The checks assume nothing of the file but its path: it may be a link, a pipe, a bomb, or
declare more memory than there is. What passed a check is what is used, because the very
bytes that were checked are handed on.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from napari_nucleiseg import config
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.onnx_check import GraphError, check_graph

FORMAT = 1
INFO, WEIGHTS, NETWORK = "model.json", "weights.npz", "network.onnx"
_MAX_INFO_BYTES = 2**24  # it names every image that was trained on
MAX_FILE_BYTES = 100 * 10**6

_REMEDY = "ask for a new copy of the model, or use another one"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}(?<![ .])")
_HASH = re.compile(r"[0-9a-f]{64}")
_READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe without a writer would block for ever
    | getattr(os, "O_BINARY", 0)
)


def refuse(path: Path, reason: str) -> BadInput:
    """Make the error that names the file and the reason."""
    return BadInput(f"{path} {reason}; {_REMEDY}.")


@contextmanager
def open_regular(path: Path, limit: int) -> Iterator[BufferedReader]:
    """Open a file that is neither a link nor a pipe nor a device nor too large.

    Raises
    ------
    BadInput
        If it is any of these, missing or unreadable.
    """
    if os.path.islink(path):
        raise refuse(path, "is a link, and a model folder holds plain files only")
    try:
        handle = os.open(path, _READ_FLAGS)
    except OSError as error:
        raise refuse(path, f"cannot be read ({error.strerror})") from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise refuse(path, "is not a plain file")
    with os.fdopen(handle, "rb") as file:
        if status.st_size > limit:
            raise refuse(path, f"has {status.st_size} bytes, more than the {limit} allowed")
        yield file


# ---------------------------------------------------------------------------- model.json
def read_info(path: Path) -> dict[str, Any]:
    """Read and check a `model.json`.

    Raises
    ------
    BadInput
        If it is not JSON of finite numbers and unique keys, or does not describe a model
        that this version can use.
    """
    with open_regular(path, _MAX_INFO_BYTES) as file:
        data = file.read(_MAX_INFO_BYTES)
    try:
        info = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_float=_finite_float,
            parse_int=_small_int,
        )
        _check_info(info)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise refuse(path, f"does not describe a usable model ({reason})") from error
    return dict(info)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large")
    return value


def _small_int(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"{text[:20]}... is too large")
    return int(text)


def _check_info(info: Any) -> None:
    _require(isinstance(info, dict), "it is not an object")
    _require(
        type(info.get("format")) is int and 1 <= info["format"] <= FORMAT,
        f"its format is {info.get('format')!r:.40}, and this version reads up to {FORMAT}",
    )
    name, network = info.get("name"), info.get("network")
    _require(isinstance(name, str) and bool(_NAME.fullmatch(name)), f"its name is {name!r:.80}")
    known = config.NETWORKS
    _require(network in known, f"its network is {network!r:.80}, not one of {known}")
    _check_input(info.get("input"))
    decode_config(info.get("decode"))
    diameter = info.get("diameter")
    _require(_is_number(diameter) and 1 <= diameter <= 1000, "its diameter is not 1 to 1000 px")
    for key in ("training", "scores", "versions"):
        _require(isinstance(info.get(key, {}), dict), f"{key} is not an object")
    _check_training(info.get("training", {}))
    _check_hashes(info.get("files"))


def _check_training(training: dict[str, Any]) -> None:
    _require(is_split(training.get("split", {})), "its split does not list names of samples")
    sizes = training.get("image_bytes", {})
    _require(
        isinstance(sizes, dict) and all(type(each) is int for each in sizes.values()),
        "image_bytes is not a number for each image",
    )


def is_split(given: Any) -> bool:
    """Whether something that was read from JSON has ids of samples for each part of a split."""
    return isinstance(given, dict) and all(
        isinstance(ids, list) and all(isinstance(each, str) for each in ids)
        for ids in given.values()
    )


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise ValueError(reason)


def check_name(name: str) -> None:
    """Refuse what is no name for a model with `BadInput`."""
    if not is_name(name):
        raise BadInput(
            f"{name!r:.80} is no name for a model; use letters, digits and -_.+, a letter or "
            "digit first, 64 at most."
        )


def is_name(name: str) -> bool:
    """Whether a name can be that of a model: a plain file name on every system."""
    return bool(_NAME.fullmatch(name))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_input(given: Any) -> None:
    _require(isinstance(given, dict), "input is not an object")
    multiple = given.get("multiple")
    _require(
        type(multiple) is int and multiple in (1, 2, 4, 8, 16, 32, 64),
        f"its input multiple is {multiple!r:.40}",
    )
    for key, value in input_of_networks().items():
        _require(key == "multiple" or given.get(key) == value, f"its input {key} is not {value}")


def input_of_networks() -> dict[str, Any]:
    """Say what every network takes, in the words of `model.json`."""
    return {"channels": 3, "range": [-1, 1], "percentiles": [1, 99.8], "multiple": 32}


def decode_config(given: Any) -> config.DecodeConfig:
    """Make the thresholds out of `model.json`'s "decode"; ValueError if they are unusable."""
    _require(isinstance(given, dict), "decode is not an object")
    known = config.DecodeConfig.__dataclass_fields__
    _require(set(given) <= set(known), "decode has an unknown threshold")
    return config.DecodeConfig(**given)


def _check_hashes(files: Any) -> None:
    _require(isinstance(files, dict), "files is not an object")
    _require(set(files) == {WEIGHTS, NETWORK}, f"files must name {WEIGHTS} and {NETWORK} alone")
    hashes = all(isinstance(each, str) and _HASH.fullmatch(each) for each in files.values())
    _require(hashes, "a hash is not 64 hexadecimal digits")


# -------------------------------------------------------------------------- network.onnx
def read_checked_graph(path: Path, sha256: str) -> bytes:
    """Read an ONNX file that is as the folder says and holds nothing but a network.

    Raises
    ------
    BadInput
        If the hash differs, or `onnx_check.check_graph` refuses it.
    """
    with open_regular(path, MAX_FILE_BYTES) as file:
        check_hash(file, path, sha256)
        data = file.read(MAX_FILE_BYTES)
    try:
        check_graph(data)
    except GraphError as error:
        raise refuse(path, str(error)) from error
    return data


def check_hash(file: BufferedReader, path: Path, sha256: str) -> None:
    """Refuse a file that is not the one that `model.json` was written for."""
    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
        raise refuse(path, f"is not the file that {INFO} was written for (its hash differs)")
    file.seek(0)
