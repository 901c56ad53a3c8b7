"""Changes to an exported graph that make it quicker and leave its results alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import checker, helper, numpy_helper

SCALES = "upsampling_scales"


def with_resize(model: Any) -> None:
    """Write each nearest-neighbour upsampling as one Resize node, in place.

    Keras' UpSampling2D is exported as two rounds of Unsqueeze, Tile, Transpose and
    Reshape. ONNX Runtime leaves its blocked layout for them and copies the largest
    tensors of the network five times.

    Parameters
    ----------
    model : onnx.ModelProto
        A network without such layers stays as it is.
    """
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    by_name = {node.name: node for node in graph.node}
    for tile in [node for node in graph.node if node.name.endswith("/Repeat/Tile")]:
        stem = tile.name.removesuffix("Repeat/Tile")
        last = by_name.get(f"{stem}Repeat_1/Reshape_1")
        if last is not None:
            source = producers[tile.input[0]].input[0]  # (N, C, H, W)
            _resize_instead(graph, source, last.output[0], f"{stem}Resize")
    graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), SCALES))
    _drop_unused(graph)
    checker.check_model(model)


def _resize_instead(graph: Any, source: str, replaced: str, name: str) -> None:
    for node in graph.node:
        if node.op_type == "Transpose" and node.input[0] == replaced:  # back to (N, C, H, W)
            resize = helper.make_node(
                "Resize",
                [source, "", SCALES],
                list(node.output),
                name=name,
                mode="nearest",
                nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )
            node.CopyFrom(resize)


def _drop_unused(graph: Any) -> None:
    """Delete the nodes and constants whose results nothing asks for."""
    wanted = {each.name for each in graph.output}
    for node in reversed(list(graph.node)):
        if wanted.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            wanted.update(node.input)
    for each in [each for each in graph.initializer if each.name not in wanted]:
        graph.initializer.remove(each)
