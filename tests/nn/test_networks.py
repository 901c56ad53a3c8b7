from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from napari_nucleiseg.nn.classic import encoder_part
from napari_nucleiseg.nn.networks import (
    build_network,
    encoder_layers,
    freeze_encoder,
    freeze_norm,
)
from napari_nucleiseg.nn.weights import weights_of


def count(weights: list) -> int:
    return int(sum(np.prod(each.shape) for each in weights))


def test_the_classic_network_has_the_published_parameters_and_stages() -> None:
    model = build_network("mobilenetv2-unet")
    freeze_encoder(model)
    assert model.count_params() == 6_502_786
    assert count(model.trainable_weights) == 4_658_882
    assert count(model.non_trainable_weights) == 1_843_904
    image = keras.Input((128, 128, 3))
    stages = keras.Model(
        model.input, [model.get_layer(f"decoder_{level}_relu").output for level in (4, 3, 2, 1)]
    )
    shapes = [tuple(each.shape[1:]) for each in stages(image)]
    assert shapes == [(8, 8, 512), (16, 16, 256), (32, 32, 128), (64, 64, 64)]
    assert tuple(model(image).shape[1:]) == (128, 128, 2)


@pytest.mark.parametrize(
    ("name", "channels"), [("nuclei", 3), ("mobilenetv2-unet", 2), ("unet", 2)]
)
def test_logits_have_the_size_of_the_image(name: str, channels: int) -> None:
    model = build_network(name)
    assert model(np.zeros((1, 64, 96, 3), np.float32)).shape == (1, 64, 96, channels)


def test_the_default_network_is_small() -> None:
    assert build_network("nuclei").count_params() < 2_500_000


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"expected one of nuclei, mobilenetv2-unet, unet"):
        build_network("resnet")


def test_a_frozen_encoder_leaves_the_decoder_to_train() -> None:
    model = build_network("nuclei")
    freeze_encoder(model)
    trained = {each.path for each in model.trainable_weights}
    assert trained
    assert all(path.startswith(("decoder_", "head_")) for path in trained)
    assert not any(each.trainable for each in encoder_layers(model))


def test_an_encoder_is_trained_unless_it_is_frozen() -> None:
    for name in ("nuclei", "mobilenetv2-unet"):
        model = build_network(name)
        assert all(each.trainable for each in encoder_layers(model))


def test_encoder_weights_are_taken_from_a_file(tmp_path) -> None:
    stand_in = keras.applications.MobileNetV2(
        input_shape=(None, None, 3), include_top=False, weights=None
    )
    stand_in.get_layer("Conv1").set_weights([np.full((3, 3, 3, 32), 0.25, np.float32)])
    path = tmp_path / "encoder.weights.h5"
    stand_in.save_weights(path)
    model = build_network("nuclei", encoder_weights=str(path))
    np.testing.assert_array_equal(model.get_layer("Conv1").get_weights()[0], 0.25)


def test_only_norms_whose_weights_are_known_stay_as_they_are() -> None:
    model = build_network("nuclei")
    norms = [each for each in model.layers if isinstance(each, layers.BatchNormalization)]
    encoder = encoder_part(weights_of(build_network("mobilenetv2-unet")))
    freeze_norm(model, encoder)
    free = [each.name for each in norms if each.trainable]
    assert free
    assert all(name.startswith("decoder") for name in free)
    assert len(free) < len(norms)
    freeze_norm(model, weights_of(model))
    assert not any(each.trainable for each in norms)
