from __future__ import annotations

import random

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from tiny_models import bright_blobs, coarse_and_fine, graph_of

from napari_nucleiseg.onnx_check import (
    MAX_FIELDS,
    MAX_NODES,
    MAX_PACKED,
    OPERATORS,
    GraphError,
    check_graph,
)

node = helper.make_node


def refused(model: ModelProto, reason: str) -> None:
    with pytest.raises(GraphError, match=reason):
        check_graph(model.SerializeToString())


@pytest.fixture
def blobs() -> ModelProto:
    return bright_blobs()


@pytest.mark.parametrize("model", [bright_blobs(), coarse_and_fine()])
def test_plain_networks_pass(model: ModelProto) -> None:
    check_graph(model.SerializeToString())


def test_every_operator_of_the_list_exists_in_onnx() -> None:
    known = {each.name for each in onnx.defs.get_all_schemas() if each.domain == ""}
    assert known >= OPERATORS


def test_operators_that_hold_other_graphs_are_not_in_the_list() -> None:
    for each in onnx.defs.get_all_schemas():
        kinds = {attribute.type.name for attribute in each.attributes.values()}
        assert not (kinds & {"GRAPH", "GRAPHS"} and each.name in OPERATORS)


def test_typed_data_passes_and_is_measured(blobs: ModelProto) -> None:
    """Tensors hold their data as raw bytes or as a list of numbers."""
    tensors = [
        helper.make_tensor("f", TensorProto.FLOAT, (2, 3), [1.0] * 6),
        helper.make_tensor("h", TensorProto.FLOAT16, (2,), [1.0, 2.0]),
        helper.make_tensor("i", TensorProto.INT64, (3,), [1, -2, 3]),
        helper.make_tensor("scalar", TensorProto.INT32, (), [7]),
        helper.make_tensor("none", TensorProto.FLOAT, (0,), []),
    ]
    blobs.graph.initializer.extend(tensors)
    check_graph(blobs.SerializeToString())
    for index in range(-len(tensors), 0):
        changed = ModelProto()
        changed.CopyFrom(blobs)
        changed.graph.initializer[index].dims.append(5)
        if tensors[index].name != "none":
            refused(changed, "declares a tensor of shape")


def test_a_foreign_domain(blobs: ModelProto) -> None:
    blobs.graph.node[2].domain = "com.evil"
    refused(blobs, "foreign domain 'com.evil'")


def test_the_domain_of_the_standard_may_be_written_out(blobs: ModelProto) -> None:
    blobs.graph.node[2].domain = "ai.onnx"
    check_graph(blobs.SerializeToString())


@pytest.mark.parametrize("operator", ["Loop", "If", "Scan", "PythonOp", "StringNormalizer", ""])
def test_an_operator_outside_the_list(blobs: ModelProto, operator: str) -> None:
    blobs.graph.node[2].op_type = operator
    refused(blobs, f"operator '{operator}'")


def test_the_last_operator_name_of_two_is_not_the_only_one_checked(blobs: ModelProto) -> None:
    """Protobuf takes the last of two values, so neither may be a bad one."""
    two_names = blobs.graph.node[0].SerializeToString() + b"\x22\x04Loop"
    nodes = [each.SerializeToString() for each in blobs.graph.node[1:]]
    del blobs.graph.node[:]
    graph = b"".join(b"\x0a" + bytes([len(each)]) + each for each in [two_names, *nodes])
    whole = blobs.SerializeToString() + b"\x3a" + _varint(len(graph)) + graph
    assert onnx.load_model_from_string(whole).graph.node[0].op_type == "Loop"
    with pytest.raises(GraphError, match="Loop"):
        check_graph(whole)


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])


def test_a_subgraph(blobs: ModelProto) -> None:
    inner = helper.make_graph([node("Identity", ["a"], ["b"])], "inner", [], [])
    blobs.graph.node[0].attribute.append(helper.make_attribute("body", inner))
    refused(blobs, "unexpected field 6 in its attribute")


def test_functions(blobs: ModelProto) -> None:
    function = helper.make_function(
        "custom", "f", ["x"], ["y"], [node("Relu", ["x"], ["y"])], [helper.make_opsetid("", 17)]
    )
    blobs.functions.append(function)
    refused(blobs, "unexpected field 25 in its model")


@pytest.mark.parametrize("where", ["location", "entries", "attribute"])
def test_data_in_another_file(blobs: ModelProto, where: str) -> None:
    tensor = blobs.graph.initializer[0]
    if where == "attribute":
        tensor = numpy_helper.from_array(np.ones(3, np.float32), "v")
    if where == "location":
        tensor.data_location = TensorProto.EXTERNAL
    else:
        tensor.external_data.add(key="location", value="/etc/passwd")
    if where == "attribute":
        blobs.graph.node.append(node("Constant", [], ["v"], value=tensor))
    refused(blobs, "another file")


def test_a_tensor_that_declares_two_gibibytes(blobs: ModelProto) -> None:
    del blobs.graph.initializer[0].dims[:]
    blobs.graph.initializer[0].dims.extend([2**15, 2**14])
    refused(blobs, r"shape \(32768, 16384\)")


@pytest.mark.parametrize("dims", [[2**62, 4], [-1, -75]])
def test_dimensions_that_overflow(blobs: ModelProto, dims: list[int]) -> None:
    del blobs.graph.initializer[0].dims[:]
    blobs.graph.initializer[0].dims.extend(dims)
    refused(blobs, "declares a tensor")


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(blobs: ModelProto, dtype: type, value: float) -> None:
    weights = np.zeros(9, dtype)
    weights[4] = value
    blobs.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    refused(blobs, "not finite")


def test_typed_weights_that_are_not_finite(blobs: ModelProto) -> None:
    blobs.graph.initializer.append(helper.make_tensor("w", TensorProto.FLOAT, (1,), [np.nan]))
    refused(blobs, "not finite")


def test_strings(blobs: ModelProto) -> None:
    blobs.graph.initializer.append(helper.make_tensor("w", TensorProto.STRING, (1,), [b"x"]))
    refused(blobs, "unexpected field 6 in its tensor|data type number 8")


def test_sparse_tensors(blobs: ModelProto) -> None:
    blobs.graph.sparse_initializer.add()
    refused(blobs, "unexpected field 15 in its graph")


def test_too_many_operators() -> None:
    many = [node("Identity", ["image"], [f"x{index}"]) for index in range(MAX_NODES + 1)]
    refused(graph_of(many), f"more than {MAX_NODES} operators")


def test_too_many_fields() -> None:
    graph = b"\x5a\x00" * (MAX_FIELDS + 1)  # inputs of no name
    with pytest.raises(GraphError, match=f"more than {MAX_FIELDS} fields"):
        check_graph(b"\x3a" + varint(len(graph)) + graph)


def test_too_many_integers(blobs: ModelProto) -> None:
    tensor = helper.make_tensor("w", TensorProto.INT64, (MAX_PACKED + 1,), [1] * (MAX_PACKED + 1))
    blobs.graph.initializer.append(tensor)
    refused(blobs, "bytes of integers")


def varint(value: int) -> bytes:
    return bytes([value % 128 + 128]) + varint(value // 128) if value > 127 else bytes([value])


def test_onnxruntimes_own_format() -> None:
    with pytest.raises(GraphError, match="own format"):
        check_graph(b"\x08\x00\x00\x00ORTM" + bytes(100))


@pytest.mark.parametrize("data", [b"", b"\x08\x08", b"hello, world", b"\x00" * 50, b"\xff" * 50])
def test_no_onnx_file(data: bytes) -> None:
    with pytest.raises(GraphError):
        check_graph(data)


def test_every_truncation_is_refused() -> None:
    data = bright_blobs().SerializeToString()
    end = data.index(b"sigmoid")
    for length in range(end, end + 200):
        with pytest.raises(GraphError):
            check_graph(data[:length])


def test_damage_gives_no_other_error() -> None:
    """Whatever stands in the file, the walker ends, and with its own error."""
    data = bright_blobs().SerializeToString()
    rng = random.Random(0)
    refusals = 0
    for _ in range(2000):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(data))] = rng.randrange(256)
        try:
            check_graph(bytes(damaged))
        except GraphError:
            refusals += 1
    assert refusals > 200
