from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_nucleiseg import info


def test_all_folders_are_named() -> None:
    lines = info.describe().splitlines()
    models = Path(os.environ["NUCLEISEG_MODELS"])
    assert f"Your models: {models}" in lines
    assert f"Runs of the Train dock: {models.parent / 'runs'}" in lines
    assert f"Cache: {os.environ['NUCLEISEG_CACHE']}" in lines
    assert any(line.endswith("datasets") for line in lines)
    assert any(line.endswith("corrections") for line in lines)


def test_what_training_runs_on_is_told_without_tensorflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(info, "find_spec", lambda name: True)
    monkeypatch.setattr(info, "missing_packages", list)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(info, "_CARD", tmp_path / "none")
    assert "there is no NVIDIA card" in info.describe()
    monkeypatch.setattr(info, "_CARD", tmp_path)
    assert "on the NVIDIA card" in info.describe()
    monkeypatch.setattr(info, "find_spec", lambda name: None if "nvidia" in name else True)
    assert "unless CUDA is on the system" in info.describe()
    monkeypatch.setattr("sys.platform", "win32")
    assert "under Linux alone" in info.describe()
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert "possible with torch" in info.describe()
