from __future__ import annotations

from collections import Counter

import keras
import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from napari_nucleiseg.models import find_model, read_weights
from napari_nucleiseg.nn.export import network_to_onnx
from napari_nucleiseg.nn.networks import build_network
from napari_nucleiseg.nn.onnx_graph import fold_norm
from napari_nucleiseg.nn.weights import set_weights

IMAGE = np.random.default_rng(0).normal(size=(1, 2, 6, 6)).astype(np.float32)


def model_of(nodes: list, **constants: np.ndarray) -> onnx.ModelProto:
    """Make a model from `image`, with 2 channels, to `maps`, with 3."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "graph",
        [value("image", onnx.TensorProto.FLOAT, [1, 2, 6, 6])],
        [value("maps", onnx.TensorProto.FLOAT, [1, 3, 6, 6])],
        [numpy_helper.from_array(each, name) for name, each in constants.items()],
    )
    return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])


def run(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["maps"], {"image": IMAGE})[0]


def normed_sum(*, shared: bool) -> onnx.ModelProto:
    """Make a BatchNorm of the sum of two convolutions; where shared, one is also used after."""
    rng = np.random.default_rng(1)
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "k1"], ["a"]),
        node("Conv", ["image", "k2"], ["b"]),
        node("Add", ["a", "b"], ["sum"]),
        node("Mul", ["sum", "factor"], ["scaled"]),
        node("Add", ["scaled", "offset"], ["normed" if shared else "maps"]),
    ]
    if shared:
        nodes.append(node("Add", ["normed", "a"], ["maps"]))
    sizes = {"k1": (3, 2, 1, 1), "k2": (3, 2, 1, 1), "factor": (1, 3, 1, 1), "offset": (1, 3, 1, 1)}
    return model_of(
        nodes, **{name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    )


def test_a_norm_is_folded_into_all_convolutions_of_a_sum() -> None:
    model = normed_sum(shared=False)
    model.graph.node.append(helper.make_node("Relu", ["before"], ["maps"]))
    model.graph.node[-2].output[0] = "before"
    expected = run(model)
    assert expected.any()
    fold_norm(model)
    assert Counter(each.op_type for each in model.graph.node) == {
        "Conv": 2,
        "Add": 1,
        "Relu": 1,
    }
    np.testing.assert_allclose(run(model), expected, atol=1e-5)


def test_a_norm_that_is_the_result_is_left_as_it_is() -> None:
    model = normed_sum(shared=False)
    expected = run(model)
    fold_norm(model)
    np.testing.assert_allclose(run(model), expected, atol=1e-5)


def test_a_factor_of_all_channels_is_no_norm() -> None:
    node, rng = helper.make_node, np.random.default_rng(2)
    model = model_of(
        [
            node("Conv", ["image", "kernel"], ["a"]),
            node("Mul", ["a", "factor"], ["b"]),
            node("Add", ["b", "offset"], ["c"]),
            node("Relu", ["c"], ["maps"]),
        ],
        kernel=rng.normal(size=(3, 2, 1, 1)).astype(np.float32),
        factor=np.array([2.0], np.float32),
        offset=np.array([0.5], np.float32),
    )
    expected = run(model)
    fold_norm(model)
    np.testing.assert_allclose(run(model), expected, atol=1e-5)


def test_a_convolution_that_is_used_elsewhere_is_left_as_it_is() -> None:
    model = normed_sum(shared=True)
    expected = run(model)
    fold_norm(model)
    assert any(each.op_type == "Mul" for each in model.graph.node)
    np.testing.assert_allclose(run(model), expected, atol=1e-5)


def test_the_shipped_network_is_exported_without_detours() -> None:
    """No factors of a BatchNorm, no sizes that are worked out, no transposed convolution."""
    model = build_network("nuclei")
    set_weights(model, read_weights(find_model("nuclei")))
    kinds = kinds_of(model)
    assert kinds.isdisjoint({"BatchNormalization", "Mul", "ConvTranspose", "Shape", "Gather"})
    assert "DepthToSpace" in kinds


def test_other_transposed_convolutions_are_left_as_they_are() -> None:
    assert "ConvTranspose" in kinds_of(build_network("mobilenetv2-unet"))


def kinds_of(model: keras.Model) -> set[str]:
    return {each.op_type for each in onnx.load_from_string(network_to_onnx(model)).graph.node}
