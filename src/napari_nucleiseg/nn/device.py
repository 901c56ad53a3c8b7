"""What training runs on, and why."""

from __future__ import annotations

import sys
from typing import Any

import keras


def describe_training_device() -> tuple[str, str]:
    """Find out on what Keras trains here.

    Returns
    -------
    name : str
        "CPU" or "GPU".
    reason : str
        One sentence.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _of_tensorflow()
    if backend == "torch":
        import torch

        return _device("PyTorch", torch.__version__, torch.cuda.is_available())
    if backend == "jax":
        import jax

        return _device("JAX", jax.__version__, jax.default_backend() != "cpu")
    return "CPU", f"Keras runs on {backend}, which uses the processor."


def _of_tensorflow() -> tuple[str, str]:
    import tensorflow as tf

    name, reason = _device(
        "TensorFlow", tf.__version__, bool(tf.config.list_physical_devices("GPU"))
    )
    if name == "CPU" and sys.platform == "win32":
        reason += " On Windows it never does: use WSL 2, or KERAS_BACKEND=torch."
    elif name == "CPU" and not tf.test.is_built_with_cuda():
        reason += " It was built without CUDA."
    return name, reason


def _device(library: str, version: Any, has_card: bool) -> tuple[str, str]:
    if has_card:
        return "GPU", f"{library} {version} uses the graphics card."
    return "CPU", f"{library} {version} finds no graphics card that it can use."
