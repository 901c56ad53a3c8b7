"""What a person, or whoever helps them, needs to know of an installation."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from napari_nucleiseg.device import describe_device
from napari_nucleiseg.models import list_models, model_problems, user_models_folder

PACKAGES = (
    "napari-nucleiseg",
    "napari",
    "numpy",
    "scikit-image",
    "opencv-python",
    "onnxruntime",
    "tensorflow",
    "keras",
    "tf2onnx",
    "PyQt5",
    "PyQt6",
)


def describe() -> str:
    """Describe versions, devices, models and folders, one fact a line."""
    device = describe_device()
    lines = [f"Python {platform.python_version()} on {platform.platform()}"]
    lines += [f"{name} {_version(name)}" for name in PACKAGES]
    lines.append(f"Prediction runs on {device.name}: {device.reason}")
    lines.append(f"Training: {_training()}")
    lines += [f"Model {each.name} ({each.network}): {each.folder}" for each in list_models()]
    lines += [f"Unusable: {each}" for each in model_problems()]
    lines.append(f"Your models: {user_models_folder()}")
    return "\n".join(lines)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not installed"


def _training() -> str:
    missing = [name for name in ("tensorflow", "tf2onnx", "onnx") if find_spec(name) is None]
    if missing:
        return (
            f"not possible: install {' and '.join(missing)} (pip install napari-nucleiseg[train])"
        )
    return "possible with TensorFlow, in a process of its own"
