"""Where a network runs: ONNX Runtime's execution providers, and the reason for the choice."""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from napari_nucleiseg._ort import onnxruntime, ort_state
from napari_nucleiseg.cgroup import own_groups

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

# In the order of preference. CoreML is left out, although it is part of every build for
# macOS: nobody has compared its maps, and with shapes that change it has ended programs.
_CARDS = {CUDA: "CUDA", "DmlExecutionProvider": "DirectML"}

# The shapes of tiles differ from image to image, and the default exhaustive search for
# the fastest convolution starts again with every new shape.
_PROVIDER_OPTIONS: dict[str, dict[str, str]] = {CUDA: {"cudnn_conv_algo_search": "HEURISTIC"}}

# One node, Identity, from "x" to "y": enough to learn whether a provider starts.
_PROBE = (
    b'\x08\x08:3\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01g'
    b"Z\r\n\x01x\x12\x08\n\x06\x08\x01\x12\x02\n\x00b\r\n\x01y\x12\x08\n\x06\x08\x01\x12\x02\n\x00"
    b"B\x04\n\x00\x10\x0d"
)

RUNTIME_ERRORS: tuple[type[BaseException], ...] = (
    ort_state.EPFail,
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NoModel,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
    MemoryError,
    RuntimeError,
    ValueError,
)
"""What ONNX Runtime raises: its classes share no parent but `Exception`."""


class Device(NamedTuple):
    """What a network runs on.

    Attributes
    ----------
    name : str
        "CUDA", "DirectML" or "CPU".
    reason : str
        One sentence: why it is this one.
    """

    name: str
    reason: str


def describe_device() -> Device:
    """Find out on what a prediction would run now, by starting it.

    Returns
    -------
    Device
        Its name and the reason; a provider that is installed and does not start is
        named in the reason with its own words.
    """
    return open_session(_PROBE)[1]


def open_session(graph: bytes) -> tuple[onnxruntime.InferenceSession, Device]:
    """Start a network on the best provider that is installed and works.

    Parameters
    ----------
    graph : bytes
        A checked ONNX file.

    Returns
    -------
    session : onnxruntime.InferenceSession
    device : Device

    Raises
    ------
    One of `RUNTIME_ERRORS`
        If the network does not start on the CPU either.
    """
    available = onnxruntime.get_available_providers()
    failures = _load_cuda() if CUDA in available else []
    for provider, name in _CARDS.items():
        if provider not in available:
            continue
        try:
            session = _start(graph, provider)
        except RUNTIME_ERRORS as error:
            failures.append(f"{name} did not start ({first_line(error)})")
            continue
        if session.get_providers()[0] == provider:
            return session, Device(name, f"{name} is installed and works.")
        failures.append(f"{name} did not start")
    return open_on_cpu(graph), Device("CPU", _why_cpu(failures))


def open_on_cpu(
    graph: bytes, shape: Mapping[str, int] | None = None
) -> onnxruntime.InferenceSession:
    """Start a network on the CPU, for inputs of one shape where that is given: faster.

    Parameters
    ----------
    graph : bytes
        A checked ONNX file.
    shape : mapping of str to int, optional
        Sizes of those dimensions of its input that the graph gives names.

    Raises
    ------
    One of `RUNTIME_ERRORS`
        If it does not start.
    """
    return _start(graph, CPU, shape)


def _start(
    graph: bytes, provider: str, shape: Mapping[str, int] | None = None
) -> onnxruntime.InferenceSession:
    options = session_options()
    for name, size in (shape or {}).items():
        options.add_free_dimension_override_by_name(name, size)
    chain: list[Any] = [(provider, _PROVIDER_OPTIONS.get(provider, {}))]
    if provider != CPU:
        chain.append(CPU)
    # Exported graphs have no constants left to fold, and a stranger's could be made to
    # fold into gigabytes.
    return onnxruntime.InferenceSession(
        graph, options, providers=chain, disabled_optimizers=["ConstantFolding"]
    )


def session_options() -> onnxruntime.SessionOptions:
    """Build the options that every session of this program starts with."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpu_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # A plan of the memory for every shape of tile doubled the peak and gained no time.
    options.enable_mem_pattern = False
    # Only ONNX: bytes in ONNX Runtime's own format would pass by the check of the graph.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Threads that spin while they wait take the cores from the window and from training.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _load_cuda() -> list[str]:
    """Load CUDA and cuDNN from the nvidia wheels; say what went wrong.

    `preload_dlls` (onnxruntime-gpu 1.21 and newer) prints its troubles. The empty folder
    name makes it search the nvidia wheels and not those of an installed PyTorch, which
    may be of another CUDA version.
    """
    preload = getattr(onnxruntime, "preload_dlls", None)
    if preload is None:
        return []
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        preload(directory="")
    return [said.getvalue().splitlines()[0]] if said.getvalue() else []


def _why_cpu(failures: list[str]) -> str:
    if failures:
        return "; ".join(failures) + ": the CPU is used."
    version = onnxruntime.__version__
    return f"The installed onnxruntime {version} knows no graphics card: the CPU is used."


def first_line(error: BaseException) -> str:
    """Shorten what ONNX Runtime says to one line, without its preamble."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rsplit("Status Message: ", 1)[-1][:300]


def cpu_threads() -> int:
    """Count the cores that this process may use.

    Two hardware threads of one core count once, because the network is bound by
    arithmetic. A quota of the container (cgroup 2) counts too, and ``OMP_NUM_THREADS``,
    which the schedulers of clusters set.

    Returns
    -------
    int
        At least 1; 0 where nothing says it, which leaves the choice to ONNX Runtime.
    """
    asked = _asked_threads()
    if not hasattr(os, "sched_getaffinity"):
        return 0 if asked == math.inf else int(asked)
    cores = {_siblings(cpu) for cpu in os.sched_getaffinity(0)}
    return max(1, math.ceil(min(len(cores), *map(_quota_of, own_groups()), asked)))


def _asked_threads() -> float:
    """Threads that the person or the scheduler allows; of a list, those of the outer level."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else math.inf


def _siblings(cpu: int) -> str:
    file = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return file.read_text().strip()
    except OSError:
        return str(cpu)


def _quota_of(group: Path) -> float:
    """Read how many CPUs a control group may use."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        return math.inf
