"""A first run of a network that may come from a stranger, in bounded memory and time."""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import numpy as np

from napari_nucleiseg._ort import onnxruntime, ort_state
from napari_nucleiseg.device import RUNTIME_ERRORS, first_line, session_options
from napari_nucleiseg.model_check import refuse

INPUT, OUTPUT = "image", "maps"
MAX_BYTES = 96 * 2**20
"""Twice what the largest network here takes; on these tiles, 2 kB per pixel."""
MAX_SECONDS = 30.0
_SLACK = 1e-3


def check_network(graph: bytes, path: Path, multiple: int) -> None:
    """Run a network on a batch of two small synthetic tiles.

    The operators of a small file can ask for any amount of memory. They run here as they
    stand, without ONNX Runtime's optimisations, on memory that ends at `MAX_BYTES`.

    Parameters
    ----------
    graph : bytes
        The ONNX file, which `onnx_check.check_graph` has passed.
    path : Path
        What to call it in an error.
    multiple : int
        What height and width must be multiples of [px].

    Raises
    ------
    BadInput
        If the network does not start, takes or gives other things than an image and its
        maps, asks for too much memory or time, or gives values that are not in [0, 1].
    """
    tile = example_tiles(multiple)
    try:
        session = _bounded_session(graph)
        wrong = _wrong_port(session)
        maps = tile if wrong else _run_in_time(session, tile)
    except RUNTIME_ERRORS as error:
        raise refuse(path, f"does not run ({first_line(error)})") from error
    if wrong:
        raise refuse(path, wrong)
    if maps.shape != tile.shape:
        raise refuse(path, f"turns a tile of shape {tile.shape} into maps of {maps.shape}")
    if not (maps.min() >= -_SLACK and maps.max() <= 1 + _SLACK):
        raise refuse(path, "gives maps that are not in [0, 1]")


def _bounded_session(graph: bytes) -> onnxruntime.InferenceSession:
    _register_bounded_memory()
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.use_env_allocators", "1")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


@functools.cache
def _register_bounded_memory() -> None:
    """Offer memory with an upper end to the sessions that ask for it, once a process."""
    memory = ort_state.OrtMemoryInfo(
        "Cpu", ort_state.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort_state.OrtMemType.DEFAULT
    )
    as_requested, default = 1, -1
    limits = ort_state.OrtArenaCfg(MAX_BYTES, as_requested, default, default)
    onnxruntime.create_and_register_allocator(memory, limits)


def _run_in_time(session: onnxruntime.InferenceSession, tile: np.ndarray) -> np.ndarray:
    options = onnxruntime.RunOptions()
    timer = threading.Timer(MAX_SECONDS, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        return session.run([OUTPUT], {INPUT: tile}, options)[0]
    finally:
        timer.cancel()


def _wrong_port(session: onnxruntime.InferenceSession) -> str:
    """Say which input or output is not what the program feeds and reads; "" if none."""
    for ports, name in ((session.get_inputs(), INPUT), (session.get_outputs(), OUTPUT)):
        found = [(port.name, port.type, port.shape) for port in ports]
        if not _is_port(found, name):
            what = ", ".join(f"{each[0]!r:.40} {each[1]} {each[2]}" for each in found) or "nothing"
            return f"has {what:.200} where one float32 {name!r} (N, H, W, 3) belongs"
    return ""


def _is_port(found: list[tuple[str, str, list]], name: str) -> bool:
    if len(found) != 1 or found[0][:2] != (name, "tensor(float)"):
        return False
    shape = found[0][2]
    if len(shape) != 4 or any(isinstance(each, int) for each in shape[:3]):
        return False
    return shape[3] == 3 or not isinstance(shape[3], int)


def example_tiles(multiple: int) -> np.ndarray:
    """Make two tiles, wider than high, of a smooth pattern that fills [-1, 1].

    Parameters
    ----------
    multiple : int
        What height and width are to be multiples of [px].

    Returns
    -------
    (2, H, W, 3) float32
    """
    height, width = (multiple * max(1, edge // multiple) for edge in (96, 224))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    wave = np.sin(y / 5) * np.cos(x / 7)
    return np.stack([np.repeat(wave[..., None], 3, axis=-1)] * 2).astype(np.float32)
