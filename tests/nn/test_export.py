from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.images import intensity_range, normalise
from napari_nucleiseg.models import find_model, read_graph, read_weights
from napari_nucleiseg.nn import export
from napari_nucleiseg.nn.networks import build_network
from napari_nucleiseg.nn.validation import maps_from_logits
from napari_nucleiseg.nn.weights import set_weights, weights_of
from napari_nucleiseg.synthetic import make_image


@pytest.mark.parametrize("name", ["nuclei", "unet"])
def test_onnx_gives_the_maps_of_keras_at_another_size(name: str) -> None:
    model = build_network(name)
    session = onnxruntime.InferenceSession(
        export.weights_to_onnx(name, weights_of(model)), providers=["CPUExecutionProvider"]
    )
    image = np.random.default_rng(3).uniform(-1, 1, (1, 64, 160, 3)).astype(np.float32)
    (maps,) = session.run(["maps"], {"image": image})
    expected = np.asarray(maps_from_logits(model(image, training=False)))
    assert maps.shape == (1, 64, 160, 3)
    np.testing.assert_allclose(maps, expected, atol=1e-3)


def test_an_export_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_network("unet")
    right = export._simplified

    def wrong(data: bytes) -> bytes:
        import onnx
        from onnx import numpy_helper

        graph = onnx.load_from_string(right(data))
        kernels = [each for each in graph.graph.initializer if len(each.dims) == 4]
        for each in kernels:
            tripled = 3 * numpy_helper.to_array(each)
            each.CopyFrom(numpy_helper.from_array(tripled, each.name))
        return graph.SerializeToString()

    monkeypatch.setattr(export, "_simplified", wrong)
    with pytest.raises(BadInput, match="differs from the trained one"):
        export.network_to_onnx(model)


def test_weights_that_do_not_fit_change_nothing() -> None:
    model = build_network("unet")
    before = weights_of(model)
    for change in ("shape", "name", "nan"):
        weights = weights_of(model)
        name = next(iter(weights))
        value = weights.pop(name)
        if change == "shape":
            weights[name] = value[..., :1]
        elif change == "name":
            weights["other"] = value
        else:
            weights[name] = np.full_like(value, np.nan)
        with pytest.raises(BadInput):
            set_weights(model, {key: each + 1 for key, each in weights.items()})
    for name, value in weights_of(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_the_shipped_graph_is_that_of_the_shipped_weights() -> None:
    shipped = find_model("nuclei")
    model = build_network(shipped.network)
    set_weights(model, read_weights(shipped))
    session = onnxruntime.InferenceSession(read_graph(shipped), providers=["CPUExecutionProvider"])
    image = make_image("fluorescence", (128, 192), 0)[0]
    batch = normalise(image, *intensity_range(image))[None]
    (maps,) = session.run(["maps"], {"image": batch})
    assert maps.max() > 0.9
    expected = np.asarray(maps_from_logits(model(batch, training=False)))
    np.testing.assert_allclose(maps, expected, atol=1e-3)
