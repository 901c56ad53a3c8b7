"""Jobs for the engine's child, without TensorFlow. The child imports this by its name."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress

Request = Mapping[str, Any]


def count(request: Request) -> Iterator[Progress]:
    """Count to "to", "pause" seconds each; "closed" is a file that is written at the end."""
    try:
        for done in range(1, request["to"] + 1):
            time.sleep(request.get("pause", 0))
            yield Progress(done, request["to"], f"step {done}", "step", {"pid": os.getpid()})
    finally:
        if "closed" in request:
            Path(request["closed"]).write_text("closed")


def values(request: Request) -> Iterator[Progress]:
    """Everything that may cross."""
    path, number = Path("a") / "b", np.float32(0.5)
    yield Progress(1, 1, "µ", "result", {"path": path, "number": number, "nan": float("nan"),
                                         "rows": [(1, "é")], "echo": request})  # fmt: skip


def array(request: Request) -> Iterator[Progress]:
    yield Progress(1, 1, values={"image": np.zeros(3)})


def garbage(request: Request) -> Iterator[Progress]:
    """Print to stdout by every door there is."""
    print("\x00\xff garbage " * 1000, flush=True)  # noqa: T201
    os.write(1, b"\xff\xff\xff\xff more of it")
    sys.__stdout__.write("and more")
    sys.__stdout__.flush()
    ctypes.CDLL(None).puts(b"from C")
    yield Progress(1, 1, "clean")


def reads_stdin(request: Request) -> Iterator[Progress]:
    yield Progress(1, 1, repr(sys.stdin.read()))


def stubborn(request: Request) -> Iterator[Progress]:
    """Neither yields nor ends, from when the file "deaf" is there."""
    yield Progress(0, 1, "deaf", "step", {"pid": os.getpid()})
    say_deaf(request)
    while True:
        time.sleep(0.05)


def holds_gil(request: Request) -> Iterator[Progress]:
    """A long call into C that lets no thread run for a second, over and over."""
    yield Progress(0, 1, "deaf", "step", {"pid": os.getpid()})
    say_deaf(request)
    while True:
        ctypes.PyDLL(None).usleep(900_000)


def say_deaf(request: Request) -> None:
    """Tell by a file that the job was asked for its second item: it cannot be cancelled now."""
    if "deaf" in request:
        Path(request["deaf"]).touch()


def refuses(request: Request) -> Iterator[Progress]:
    yield Progress(0, 1)
    raise BadInput("The dataset is empty; add an image.")


def fault(request: Request) -> Iterator[Progress]:
    yield Progress(0, 1)
    raise KeyError("a fault of ours")


def dies(request: Request) -> Iterator[Progress]:
    yield Progress(0, 1)
    print("out of memory while allocating", file=sys.stderr, flush=True)  # noqa: T201
    if request["how"] == "abort":
        os.abort()
    if request["how"] == "segv":
        ctypes.string_at(0)
    os._exit(7)


JOBS = {
    each.__name__: each
    for each in (count, values, array, garbage, reads_stdin, stubborn, holds_gil, refuses, fault,
                 dies)
}  # fmt: skip


def _slow_prepare(request: Request) -> Iterator[Progress]:
    time.sleep(1)
    yield Progress(1, 1, kind="device", values={"name": "CPU", "reason": "A fake."})


SLOW = {**JOBS, "prepare": _slow_prepare}
