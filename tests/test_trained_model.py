from __future__ import annotations

from pathlib import Path

import pytest
from three_samples import three_samples
from twelve_samples import base_model

from napari_nucleiseg.config import DecodeConfig, TrainConfig
from napari_nucleiseg.models import check_model_folder, find_model, read_graph, read_weights
from napari_nucleiseg.run_request import Request
from napari_nucleiseg.trained_model import write_trained

pytestmark = pytest.mark.tensorflow


def test_a_model_tells_what_it_and_the_one_before_it_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_nucleiseg.nn.training import Trained

    shipped = find_model("nuclei")
    # An export takes half a minute; those of whole trainings are tested in test_train_job.
    graph = read_graph(shipped)
    monkeypatch.setattr("napari_nucleiseg.nn.export.weights_to_onnx", lambda *_: graph)
    samples = three_samples(tmp_path / "cells")
    sizes = {each.id: each.image_path.stat().st_size for each in samples}
    split = {"train": samples[:1], "validation": samples[1:2], "old": samples[2:]}
    request = Request(str(tmp_path / "cells"), str(tmp_path / "mine"), TrainConfig())
    decode = DecodeConfig(foreground=0.4)
    trained = Trained(read_weights(shipped), decode, {"mean_ap": 0.5}, 7)
    before = {"a": 1, "y": 2, "z": None}
    for dataset, kept in (("cells", {"y": 2, "z": None}), ("others", {"y": 2})):
        source = base_model(tmp_path / dataset, dataset=dataset, learned=before)
        folder = write_trained(request, split, trained, 31.0, source)
        assert folder == tmp_path / "mine" / "model"
        model = check_model_folder(folder)
        told = model.info["training"]
        learned = {"a": sizes["a"], "c": sizes["c"], **kept}
        assert told["learned"] == learned, "an id without a size says nothing of another dataset"
        assert told["split"] == {"train": ["a"], "validation": ["b"], "old": ["c"]}
        assert told["steps"] == 7
    assert (model.name, model.network, model.diameter) == ("mine", "nuclei", 31.0)
    assert (model.decode, model.info["scores"]) == (decode, {"mean_ap": 0.5})
