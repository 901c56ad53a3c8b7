"""What a person, or whoever helps them, needs to know of an installation."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from napari_nucleiseg.annotations import cache_folder
from napari_nucleiseg.device import describe_device
from napari_nucleiseg.models import list_models, model_problems, user_models_folder
from napari_nucleiseg.runs import runs_folder
from napari_nucleiseg.training_packages import INSTALL, keras_backend, missing_packages

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
_CARD = Path("/dev/nvidiactl")


def describe() -> str:
    """Describe versions, devices, models and folders, one fact a line."""
    device = describe_device()
    own = Path(platformdirs.user_data_dir("napari-nucleiseg", appauthor=False))
    lines = [f"Python {platform.python_version()} on {platform.platform()}"]
    lines += [f"{name} {_version(name)}" for name in PACKAGES]
    lines.append(f"Prediction runs on {device.name}: {device.reason}")
    lines.append(f"Training: {_training()}")
    lines += [f"Model {each.name} ({each.network}): {each.folder}" for each in list_models()]
    lines += [f"Unusable: {each}" for each in model_problems()]
    lines.append(f"Your models: {user_models_folder()}")
    lines.append(f"Runs of the Train dock: {runs_folder()}")
    lines.append(f"Cache: {cache_folder()}")
    lines.append(f"Datasets of the program's own: {own / 'datasets'}")
    lines.append(f"Corrections of datasets that cannot be written: {own / 'corrections'}")
    return "\n".join(lines)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not installed"


def _training() -> str:
    missing = missing_packages()
    if missing:
        return f"not possible: install {' and '.join(missing)} ({INSTALL})"
    backend = keras_backend()
    if backend != "tensorflow":
        return f"possible with {backend}, as KERAS_BACKEND says, in a process of its own"
    return f"possible with TensorFlow, in a process of its own, {_device_of_tensorflow()}"


def _device_of_tensorflow() -> str:
    """Tell on what TensorFlow will run, as far as that can be told without starting it."""
    if sys.platform != "linux":
        return "on the CPU: it uses graphics cards under Linux alone"
    if not os.path.exists(_CARD):
        return "on the CPU: there is no NVIDIA card, or no driver for it"
    if find_spec("nvidia") is None or find_spec("nvidia.cudnn") is None:
        return 'on the CPU unless CUDA is on the system (pip install "napari-nucleiseg[gpu]")'
    return "on the NVIDIA card, if it is one that TensorFlow supports"
