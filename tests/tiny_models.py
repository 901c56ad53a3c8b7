"""Model folders with tiny networks, made without Keras."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.models import Model, write_model

MAPS = ["N", "H", "W", 3]


def graph_of(
    nodes: Sequence[NodeProto],
    constants: dict[str, np.ndarray] | None = None,
    *,
    ports: tuple[str, str] = ("image", "maps"),
    shape: Sequence[str | int] = MAPS,
) -> ModelProto:
    """An ONNX model from "image" to "maps" of these nodes."""
    given, wanted = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ports
    )
    initializers = [numpy_helper.from_array(each, name) for name, each in (constants or {}).items()]
    graph: GraphProto = helper.make_graph(nodes, "tiny", [given], [wanted], initializers)
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def bright_blobs() -> ModelProto:
    """Smooth with a 5 x 5 box; foreground and distance rise with the brightness.

    With `normalise`'s range: foreground is .5 at the middle of the image's range, distance
    at three quarters of it, border is 0.
    """
    box = np.full((1, 3, 5, 5), 1 / 75, np.float32)
    weights = np.array([10, 8, 0], np.float32).reshape(3, 1, 1, 1)
    bias = np.array([0, -4, -10], np.float32)
    node = helper.make_node
    return graph_of(
        [
            node("Transpose", ["image"], ["channels_first"], perm=[0, 3, 1, 2]),
            node("Conv", ["channels_first", "box"], ["grey"], pads=[2, 2, 2, 2]),
            node("Conv", ["grey", "weights", "bias"], ["logits"]),
            node("Sigmoid", ["logits"], ["sigmoid"]),
            node("Transpose", ["sigmoid"], ["maps"], perm=[0, 2, 3, 1]),
        ],
        {"box": box, "weights": weights, "bias": bias},
    )


def coarse_and_fine(seed: int = 0) -> ModelProto:
    """Random weights at two levels: every 28th pixel around, and the mean of 32 x 32 px.

    As in a U-Net, the answer at a pixel depends on where the grid of the coarse level
    lies, and on what is up to 28 px away.
    """
    rng = np.random.default_rng(seed)
    node = helper.make_node
    return graph_of(
        [
            node("Transpose", ["image"], ["x"], perm=[0, 3, 1, 2]),
            node("Conv", ["x", "fine"], ["a"], pads=[28, 28, 28, 28], dilations=[28, 28]),
            node("AveragePool", ["x"], ["pool"], kernel_shape=[32, 32], strides=[32, 32]),
            node("Conv", ["pool", "coarse"], ["b"]),
            node("Resize", ["b", "", "scales"], ["c"], mode="nearest",
                 coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
            node("Add", ["a", "c"], ["d"]),
            node("Sigmoid", ["d"], ["e"]),
            node("Transpose", ["e"], ["maps"], perm=[0, 2, 3, 1]),
        ],
        {
            "fine": rng.normal(0, 0.3, (3, 3, 3, 3)).astype(np.float32),
            "coarse": rng.normal(0, 3, (3, 3, 1, 1)).astype(np.float32),
            "scales": np.array([1, 1, 32, 32], np.float32),
        },
    )  # fmt: skip


def write_tiny_model(
    folder: Path, graph: ModelProto | None = None, *, diameter: float = 20.0, name: str = ""
) -> Model:
    """A complete model folder; its network is `bright_blobs` unless another one is given."""
    return write_model(
        folder,
        network="nuclei",
        weights={
            "conv/kernel": np.full((3, 3, 3, 8), 0.5, np.float16),
            "conv/bias": np.zeros(8, np.float32),
        },
        graph=(graph or bright_blobs()).SerializeToString(),
        decode=DecodeConfig(foreground=0.5, distance=0.3),
        diameter=diameter,
        name=name,
        training={"steps": 3},
    )
