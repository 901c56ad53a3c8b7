"""The fused BatchNorm learns and infers as Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from napari_nucleiseg.nn.networks import build_network
from napari_nucleiseg.nn.norm import FusedBatchNormalization

SHAPE = (4, 6, 5, 3)


def _pair() -> list[keras.layers.BatchNormalization]:
    pair = [
        kind(momentum=0.9, name="norm")
        for kind in (keras.layers.BatchNormalization, FusedBatchNormalization)
    ]
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.5, 2, 3).astype(np.float32) for _ in range(4)]
    for each in pair:
        each.build(SHAPE)
        each.set_weights(weights)
    return pair


def _values(seed: int = 1) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(3, 2, SHAPE), tf.float32)


def _learn(layer: keras.layers.Layer) -> tuple[np.ndarray, list[np.ndarray]]:
    x, weight = _values(), _values(2)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
        loss = tf.reduce_sum(y * weight)
    trained = [each.value for each in layer.trainable_variables]
    return y.numpy(), [each.numpy() for each in tape.gradient(loss, [x, *trained])]


def test_a_step_gives_what_keras_gives() -> None:
    keras_own, fused = (_learn(each) for each in _pair())
    np.testing.assert_allclose(fused[0], keras_own[0], atol=1e-5)
    for got, wanted in zip(fused[1], keras_own[1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-3)


def test_it_remembers_mean_and_sample_variance() -> None:
    keras_own, fused = _pair()
    before = keras_own.moving_variance.numpy()
    for each in (keras_own, fused):
        each(_values(), training=True)
    count = SHAPE[0] * SHAPE[1] * SHAPE[2]
    np.testing.assert_allclose(fused.moving_mean, keras_own.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(
        fused.moving_variance.numpy() - 0.9 * before,
        (keras_own.moving_variance.numpy() - 0.9 * before) * count / (count - 1),
        rtol=1e-4,
    )


@pytest.mark.parametrize("training", [False, True])
def test_frozen_or_not_learning_it_is_keras_own(training: bool) -> None:
    pair = _pair()
    for each in pair:
        each.trainable = not training
    before = pair[1].get_weights()
    keras_own, fused = (each(_values(), training=training).numpy() for each in pair)
    np.testing.assert_array_equal(fused, keras_own)
    for was, now in zip(before, pair[1].get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


@pytest.mark.parametrize("name", ["nuclei", "mobilenetv2-unet", "unet"])
def test_every_network_has_it(name: str) -> None:
    norms = [
        each
        for each in build_network(name).layers
        if isinstance(each, keras.layers.BatchNormalization)
    ]
    assert norms
    assert all(isinstance(each, FusedBatchNormalization) for each in norms)
