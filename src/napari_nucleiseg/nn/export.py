"""A trained network as an ONNX graph that gives maps."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx

from napari_nucleiseg._ort import onnxruntime
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.nn.networks import build_network
from napari_nucleiseg.nn.onnx_graph import fold_norm, with_pixel_shuffle, with_resize
from napari_nucleiseg.nn.validation import maps_from_logits
from napari_nucleiseg.nn.weights import set_weights

TOLERANCE = 1e-3
_OPSET = 17


class Maps(keras.layers.Layer):
    """The last step of an exported network: logits to maps."""

    def call(self, logits: Any) -> Any:
        """Turn (N, H, W, 3 or 2) logits into (N, H, W, 3) maps."""
        return maps_from_logits(logits)


def weights_to_onnx(network: str, weights: Mapping[str, np.ndarray]) -> bytes:
    """Build a network of this name with these weights, and export it by `network_to_onnx`.

    Raises
    ------
    BadInput
        If the weights do not fit the network, or `network_to_onnx` refuses the export.
    """
    model = build_network(network)
    set_weights(model, weights)
    return network_to_onnx(model)


def network_to_onnx(model: keras.Model) -> bytes:
    """Export a network, and refuse an export that does not compute the same maps.

    Parameters
    ----------
    model : keras.Model
        From `build_network`, on the TensorFlow backend.

    Returns
    -------
    bytes
        An ONNX file with input ``image`` (N, H, W, 3) float32 in [-1, 1] and output
        ``maps`` (N, H, W, 3) float32 in [0, 1].

    Raises
    ------
    BadInput
        If the maps of ONNX Runtime differ from Keras' by more than `TOLERANCE`.
    """
    image = keras.Input((None, None, 3), name="image")
    whole = keras.Model(image, Maps(name="maps")(model(image, training=False)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        signature = [keras.InputSpec(shape=(None, None, None, 3), dtype="float32", name="image")]
        whole.export(
            path, format="onnx", input_signature=signature, opset_version=_OPSET, verbose=False
        )
        graph = _simplified(path.read_bytes())
    _require_same_maps(whole, graph, np.random.default_rng(0))
    return graph


def _simplified(data: bytes) -> bytes:
    """Name input and output by what they are, and leave out what costs time for nothing."""
    graph = onnx.load_from_string(data)
    names = {graph.graph.input[0].name: "image", graph.graph.output[0].name: "maps"}
    for each in (*graph.graph.input, *graph.graph.output):
        each.name = names[each.name]
    for node in graph.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for change in (with_resize, fold_norm, with_pixel_shuffle):
        change(graph)
    return graph.SerializeToString()


def _require_same_maps(whole: keras.Model, graph: bytes, rng: np.random.Generator) -> None:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    for shape in ((1, 96, 128, 3), (2, 64, 64, 3)):
        image = rng.uniform(-1, 1, shape).astype(np.float32)
        expected = keras.ops.convert_to_numpy(whole(image, training=False))
        (got,) = session.run(["maps"], {"image": image})
        worst = float(np.abs(got - expected).max())
        if not worst <= TOLERANCE:
            raise BadInput(
                f"The exported network differs from the trained one by {worst:.2g}; expected "
                f"{TOLERANCE} or less: update tf2onnx and onnxruntime, then export again."
            )
