"""What the engine and its child say to each other: JSON, each message behind its length.

No pickle: whoever could write into the pipe would run code with it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from napari_nucleiseg.progress import Progress

_LENGTH = struct.Struct(">I")
_LONGEST = 2**26


def write_message(stream: IO[bytes], message: Mapping[str, Any]) -> None:
    """Write one message and flush it.

    Parameters
    ----------
    stream : binary file
    message : mapping
        Strings, numbers, lists, dicts and paths; paths arrive as strings.

    Raises
    ------
    TypeError
        If it holds anything else, arrays among them.
    OSError
        If nobody reads any more.
    """
    data = json.dumps(message, default=_plain).encode()
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_message(stream: IO[bytes]) -> dict[str, Any] | None:
    """Read one message; blocks until it is whole.

    Returns
    -------
    dict, or None
        None at the end of the stream, also where it ends within a message.

    Raises
    ------
    ValueError
        If what came is no message.
    """
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > _LONGEST:
        raise ValueError(f"A message of {length} bytes was announced; expected {_LONGEST} at most.")
    data = stream.read(length)
    if len(data) < length:
        return None
    message = json.loads(data)
    if not isinstance(message, dict):
        raise ValueError(f"The message is a {type(message).__name__}; expected an object.")
    return message


def progress_to_message(step: Progress, job: int) -> dict[str, Any]:
    """Turn a step of a job into a message."""
    return {
        "type": "progress",
        "job": job,
        "done": step.done,
        "total": step.total,
        "message": step.message,
        "kind": step.kind,
        "values": step.values,
    }


def progress_from_message(message: Mapping[str, Any]) -> Progress:
    """Turn a message back into a step; tuples have become lists, paths strings."""
    names = ("done", "total", "message", "kind", "values")
    return Progress(*(message[name] for name in names))


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"A {type(value).__name__} cannot be sent; expected what JSON can hold.")
