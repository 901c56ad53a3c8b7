"""The packages that training needs besides those of the program."""

from __future__ import annotations

import os
from importlib.util import find_spec

from napari_nucleiseg.errors import BadInput

INSTALL = 'pip install "napari-nucleiseg[train]"'
"""In double quotes, which all shells take away; some read bare brackets as a pattern."""


def missing_packages() -> list[str]:
    """List the packages that training needs and that are not installed."""
    needed = ["keras"]
    if keras_backend() == "tensorflow":
        needed = ["tensorflow", "keras", "onnx", "tf2onnx"]
    return [each for each in needed if find_spec(each) is None]


def keras_backend() -> str:
    """Give the name of what Keras runs on, without importing it."""
    return os.environ.get("KERAS_BACKEND") or "tensorflow"


def require_packages() -> None:
    """Refuse to train or import where a package is missing, before anything is read or written.

    Raises
    ------
    BadInput
        If one is.
    """
    missing = missing_packages()
    if missing:
        raise BadInput(
            f"Training and importing need {' and '.join(missing)}: run {INSTALL} where "
            "napari-nucleiseg is installed, and try again."
        )
