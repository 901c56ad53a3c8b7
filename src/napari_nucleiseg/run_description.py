"""What a run tells of itself, in its folder and in its model: how, and on what it learned."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from napari_nucleiseg.run_request import Request
from napari_nucleiseg.splits import LEARNED, Split

_PACKAGES = ("keras", "tensorflow", "numpy", "onnx", "tf2onnx", "onnxruntime", "opencv-python")


def describe(request: Request, split: Split) -> dict[str, Any]:
    """Describe a run, without paths of this machine.

    Returns
    -------
    dict
        "dataset" and "start" (names), "config", "split" (ids), "image_bytes" (`sizes_of`),
        "data_sha256" and "versions". Plain values, fit for JSON.
    """
    return {
        # Of "." there is no name before it is looked up.
        "dataset": Path(os.path.abspath(request.dataset)).name,
        "start": Path(request.start).name,
        "config": dataclasses.asdict(request.config),
        "split": ids_of(split),
        "image_bytes": sizes_of(split),
        "data_sha256": _hash_of(split),
        "versions": package_versions(),
    }


def ids_of(split: Split) -> dict[str, list[str]]:
    """Give the ids of the samples in each part of a split."""
    return {name: [each.id for each in part] for name, part in split.items()}


def sizes_of(split: Split) -> dict[str, int]:
    """Give the file size [bytes] of each image learned from, by its id."""
    learned = [each for part in LEARNED for each in split.get(part, ())]
    return {each.id: each.image_path.stat().st_size for each in learned}


def _hash_of(split: Split) -> str:
    """Hash the names and sizes of the files that were learned from."""
    digest = hashlib.sha256()
    for name in sorted(split):
        for each in split[name]:
            sizes = [path.stat().st_size for path in (each.image_path, *sorted(each.mask_paths))]
            digest.update(json.dumps([name, each.id, sizes]).encode())
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    """Give the versions of Python, of this package and of those that trained with it."""
    found = {"python": platform.python_version()}
    for name in ("napari-nucleiseg", *_PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
