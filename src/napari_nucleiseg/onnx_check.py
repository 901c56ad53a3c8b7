"""Looking into an ONNX file without loading it.

An ONNX file is a protobuf message. This walker reads the few messages that a network of
ours consists of, and refuses every field, operator and tensor outside them, so that ONNX
Runtime meets only graphs that can do nothing but arithmetic on their input: no file is
opened beside it, no library, no loop, no tensor larger than the file itself. The field
numbers are those of the public ONNX schema (onnx.proto).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass

import numpy as np

_ARITHMETIC_AND_SHAPES = """
    Abs Add And AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape
    Conv ConvTranspose DepthToSpace Div Elu Equal Erf Exp Expand Flatten Floor Gather Gelu Gemm
    GlobalAveragePool Greater HardSigmoid HardSwish Identity InstanceNormalization LeakyRelu
    Less MatMul Max MaxPool Min Mul Neg Not PRelu Pad Pow Reciprocal ReduceMax ReduceMean
    ReduceMin ReduceProd ReduceSum Relu Reshape Resize Shape Sigmoid Slice Softmax Softplus
    SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Unsqueeze Where
"""
OPERATORS = frozenset(_ARITHMETIC_AND_SHAPES.split())
"""Operators of the networks that this program exports, and their close kin."""

MAX_NODES = 2000
MAX_FIELDS = 200_000  # each takes a microsecond or two to read
MAX_PACKED = 2**16  # bytes of integers, which are shapes and axes
_DOMAINS = (b"", b"ai.onnx")
_VARINT, _BYTES = 0, 2
_FIXED_SIZES = {1: 8, 5: 4}
_WIDEST_VARINT = 10

# Data types of tensors, by their numbers in ONNX.
_DTYPES = {
    number: np.dtype(name)
    for number, name in {1: "<f4", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2"}.items()
}
_FLOATS = (1, 10)


class GraphError(ValueError):
    """Why a graph is refused, as the end of a sentence."""


@dataclass
class _Count:
    """What is bounded over the whole file."""

    nodes: int = 0
    fields: int = 0

    def take_field(self) -> None:
        self.fields += 1
        if self.fields > MAX_FIELDS:
            raise GraphError(f"has more than {MAX_FIELDS} fields")


def check_graph(data: bytes) -> None:
    """Refuse an ONNX file that is more than a plain network.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    GraphError
        If the file is not well-formed protobuf, has a field or an operator outside the
        lists, an operator of a foreign domain, a subgraph, a function, data outside the
        file, a tensor whose data is not as long as its shape says, or a value that is not
        finite.
    """
    if data[4:8] == b"ORTM":
        raise GraphError("is in ONNX Runtime's own format")
    count = _Count()
    seen = False
    for number, value in _fields(memoryview(data), "model", {1, 2, 3, 4, 5, 6, 7, 8, 14}, count):
        if number == 7:
            _check_graph_message(_message(value), count)
            seen = True
    if not seen:
        raise GraphError("contains no graph")


def _check_graph_message(graph: memoryview, count: _Count) -> None:
    checks: dict[int, Callable[[memoryview, _Count], None]] = {1: _check_node, 5: _check_tensor}
    for number, value in _fields(graph, "graph", {1, 2, 5, 10, 11, 12, 13, 16}, count):
        if number in checks:
            checks[number](_message(value), count)


def _check_node(node: memoryview, count: _Count) -> None:
    count.nodes += 1
    if count.nodes > MAX_NODES:
        raise GraphError(f"has more than {MAX_NODES} operators")
    for number, value in _fields(node, "operator", {1, 2, 3, 4, 5, 6, 7, 9}, count):
        if number == 4 and _text(value) not in OPERATORS:
            raise GraphError(f"uses the operator {_text(value)!r}, which no network here has")
        if number == 7 and bytes(_message(value)) not in _DOMAINS:
            raise GraphError(f"uses an operator of the foreign domain {_text(value)!r}")
        if number == 5:
            _check_attribute(_message(value), count)


def _check_attribute(attribute: memoryview, count: _Count) -> None:
    for number, value in _fields(attribute, "attribute", {1, 2, 3, 4, 5, 7, 8, 9, 13, 20}, count):
        if number == 5:
            _check_tensor(_message(value), count)


def _check_tensor(tensor: memoryview, count: _Count) -> None:
    """Require data that is in the file, as long as the shape says, and finite."""
    found: dict[int, list[int | memoryview]] = {}
    for number, value in _fields(tensor, "tensor", {1, 2, 4, 5, 7, 8, 9, 12, 13, 14, 16}, count):
        found.setdefault(number, []).append(value)
    if 13 in found or any(value != 0 for value in found.get(14, [])):
        raise GraphError("keeps tensors in another file")
    kind = _number(found.get(2, [0])[-1])
    if kind not in _DTYPES:
        raise GraphError(f"has a tensor of the data type number {kind}")
    dims = [dim for value in found.get(1, []) for dim in _integers(value)]
    raw = [_message(value) for value in found.get(9, [])]
    floats = [_floats_of(value) for value in found.get(4, [])]
    _check_length(dims, kind, raw, floats, found.get(5, []) + found.get(7, []))
    arrays = floats + [np.frombuffer(each, _DTYPES[kind]) for each in raw if kind in _FLOATS]
    if not all(np.isfinite(each).all() for each in arrays):
        raise GraphError("has weights that are not finite")


def _check_length(
    dims: list[int],
    kind: int,
    raw: list[memoryview],
    floats: list[np.ndarray],
    integers: list[int | memoryview],
) -> None:
    stored_bytes = sum(len(each) for each in raw)
    stored = stored_bytes // _DTYPES[kind].itemsize
    stored += sum(len(each) for each in floats)
    stored += sum(len(_integers(each)) for each in integers)
    if stored_bytes % _DTYPES[kind].itemsize or math.prod(dims) != stored:
        raise GraphError(f"declares a tensor of shape {tuple(dims)} and stores {stored} values")


# ------------------------------------------------------------------------- protobuf
def _fields(
    message: memoryview, what: str, allowed: Set[int], count: _Count
) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value): an int for varints, else a view of the bytes."""
    at = 0
    while at < len(message):
        count.take_field()
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if number not in allowed:
            raise GraphError(f"has the unexpected field {number} in its {what}")
        value: int | memoryview
        if wire == _VARINT:
            value, at = _varint(message, at)
        else:
            size, at = _size(message, at, wire)
            value, at = message[at : at + size], at + size
        if at > len(message):
            raise GraphError("is truncated")
        yield number, value


def _size(message: memoryview, at: int, wire: int) -> tuple[int, int]:
    """Length of the value that starts at `at`, and where its bytes begin."""
    if wire == _BYTES:
        return _varint(message, at)
    if wire in _FIXED_SIZES:
        return _FIXED_SIZES[wire], at
    raise GraphError("is no ONNX file, or a damaged one")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + _WIDEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise GraphError("is truncated, or no ONNX file")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise GraphError("has a number where a message is expected")
    return value


def _number(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise GraphError("has bytes where a number is expected")
    return value


def _integers(value: int | memoryview) -> list[int]:
    """One varint, or packed ones."""
    if isinstance(value, int):
        return [value]
    if len(value) > MAX_PACKED:
        raise GraphError(f"has a tensor of {len(value)} bytes of integers")
    numbers, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        numbers.append(number)
    return numbers


def _floats_of(value: int | memoryview) -> np.ndarray:
    data = _message(value)
    if len(data) % 4:
        raise GraphError("is damaged in a tensor")
    return np.frombuffer(data, "<f4")


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)[:80]).decode("utf-8", "replace")
