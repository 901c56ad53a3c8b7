from __future__ import annotations

from napari_nucleiseg.nn.device import describe_training_device


def test_the_device_is_the_one_that_tensorflow_finds() -> None:
    import tensorflow as tf

    name, reason = describe_training_device()
    assert name == ("GPU" if tf.config.list_physical_devices("GPU") else "CPU")
    assert tf.__version__ in reason
    assert reason.endswith(".")
