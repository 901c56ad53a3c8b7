"""ONNX Runtime sends nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import napari_nucleiseg

SOURCE = Path(napari_nucleiseg.__file__).parent


def test_a_prediction_leaves_no_traces_to_be_sent(tmp_path: Path) -> None:
    homes = {"HOME": "home", "XDG_CACHE_HOME": "cache", "LOCALAPPDATA": "local"}
    for name in homes.values():
        (tmp_path / name).mkdir()
    environment = {key: value for key, value in os.environ.items() if key[:4] != "ORT_"}
    environment |= {key: str(tmp_path / name) for key, name in homes.items()}
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "a.png")
    command = [sys.executable, "-m", "napari_nucleiseg.cli", "predict", tmp_path / "a.png"]
    subprocess.run([*command, "--out", tmp_path / "out"], check=True, env=environment, timeout=120)
    assert (tmp_path / "out" / "a.tif").exists()
    assert [each for each in tmp_path.rglob("*") if "microsoft" in each.name.casefold()] == []


def test_no_module_goes_past_it() -> None:
    others = [
        each.name
        for each in SOURCE.rglob("*.py")
        if re.search(r"^\s*(import|from) onnxruntime\b", each.read_text("utf-8"), re.MULTILINE)
    ]
    assert others == ["_ort.py"]
