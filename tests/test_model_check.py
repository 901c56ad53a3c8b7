from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import hostile_models
import pytest
from hostile_models import CANARY, HARMS
from tiny_models import write_tiny_model

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.model_check import open_regular, read_info

NEEDS_PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with a name")
LIMIT = 300 * 10**6  # bytes that the whole process may hold


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("good") / "model").folder


@pytest.fixture
def info(good: Path) -> dict[str, Any]:
    return json.loads((good / "model.json").read_text())


@pytest.fixture(scope="module")
def harmed(good: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was said of every hostile folder, by a process of its own that checked them all."""
    parent = tmp_path_factory.mktemp("hostile")
    folders = []
    for name, (_, _, harm) in HARMS.items():
        folders.append(shutil.copytree(good, parent / name))
        harm(parent / name)
    folders.append(shutil.copytree(good, parent / "good"))
    canary = parent / "canary"
    done = subprocess.run(
        [sys.executable, hostile_models.__file__, *map(str, folders)],
        env={**os.environ, CANARY: str(canary)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return {**json.loads(done.stdout), "canary": canary.exists()}


@NEEDS_PIPES
@pytest.mark.parametrize("name", HARMS)
def test_a_hostile_folder_is_named_and_refused(harmed: dict[str, Any], name: str) -> None:
    file, reason, _ = HARMS[name]
    said = harmed["said"][name]
    assert str(Path(name) / file) in said
    assert re.search(reason, said)
    assert "\n" not in said


@NEEDS_PIPES
def test_nothing_hostile_runs_or_takes_memory(harmed: dict[str, Any]) -> None:
    assert harmed["said"]["good"] == ""
    assert not harmed["canary"]
    assert harmed["peak"] < LIMIT


def test_the_canary_would_sing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CANARY, str(tmp_path / "canary"))
    hostile_models.pickle.loads(hostile_models.pickle.dumps(hostile_models.Payload()))
    assert (tmp_path / "canary").exists()


def read(folder: Path, text: str | bytes) -> dict[str, Any]:
    path = folder / "model.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_info(path)


def test_a_good_description_comes_back_as_it_is(tmp_path: Path, info: dict[str, Any]) -> None:
    assert read(tmp_path, json.dumps(info)) == info


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"format": 0},
        {"format": True},
        {"format": "1"},
        {"format": None},
        {"name": ""},
        {"name": "../model"},
        {"name": "a/b"},
        {"name": ".hidden"},
        {"name": "ends with a dot."},
        {"name": "x" * 65},
        {"name": 5},
        {"network": "resnet50"},
        {"network": ["nuclei"]},
        {"network": None},
        {"input": None},
        {"input": {}},
        {"input": {"channels": 4, "range": [-1, 1], "percentiles": [1, 99.8], "multiple": 32}},
        {"input": {"channels": 3, "range": [0, 1], "percentiles": [1, 99.8], "multiple": 32}},
        {"input": {"channels": 3, "range": [-1, 1], "percentiles": [0, 100], "multiple": 32}},
        {"input": {"channels": 3, "range": [-1, 1], "percentiles": [1, 99.8], "multiple": 10**9}},
        {"input": {"channels": 3, "range": [-1, 1], "percentiles": [1, 99.8], "multiple": 32.0}},
        {"input": {"channels": 3, "range": [-1, 1], "percentiles": [1, 99.8], "multiple": True}},
        {"decode": None},
        {"decode": {"foreground": 2.0}},
        {"decode": {"foreground": "0.5"}},
        {"decode": {"foreground": None}},
        {"decode": {"min_area": 1.5}},
        {"decode": {"min_area": -1}},
        {"decode": {"__class__": "x"}},
        {"diameter": 0},
        {"diameter": -20},
        {"diameter": 10**9},
        {"diameter": "20"},
        {"diameter": True},
        {"diameter": None},
        {"training": []},
        {"training": {"split": ["a"]}},
        {"training": {"split": {"train": 5}}},
        {"training": {"split": {"train": [["a"]]}}},
        {"training": {"split": {"train": {"a": 1}}}},
        {"training": {"image_bytes": [1]}},
        {"training": {"image_bytes": {"a": "1"}}},
        {"training": {"image_bytes": {"a": True}}},
        {"scores": "good"},
        {"versions": 3},
        {"files": None},
        {"files": {}},
        {"files": {"weights.npz": "0" * 64}},
        {"files": {"weights.npz": "0" * 64, "network.onnx": "0" * 63}},
        {"files": {"weights.npz": "0" * 64, "network.onnx": 5}},
        {"files": {"weights.npz": "0" * 64, "network.onnx": "0" * 64, "../x": "0" * 64}},
    ],
)
def test_an_unusable_description(
    tmp_path: Path, info: dict[str, Any], change: dict[str, Any]
) -> None:
    with pytest.raises(BadInput, match=r"model\.json does not describe a usable model"):
        read(tmp_path, json.dumps(info | change))


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", '"text"', "{}", "{", "{'format': 1}", b"\xff\xfe{}", b"\x00",
        '{"format": NaN}', '{"format": Infinity}', '{"format": -Infinity}',
    ],
)  # fmt: skip
def test_no_description(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(BadInput, match=r"model\.json does not describe a usable model"):
        read(tmp_path, text)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 5000, "NaN"])
def test_numbers_that_are_none(tmp_path: Path, info: dict[str, Any], number: str) -> None:
    text = json.dumps(info | {"scores": {"ap50": 0.123456789}}).replace("0.123456789", number)
    with pytest.raises(BadInput, match=r"too large|no number"):
        read(tmp_path, text)


def test_a_key_that_stands_there_twice(tmp_path: Path, info: dict[str, Any]) -> None:
    text = json.dumps(info)[:-1] + ', "network": "unet"}'
    with pytest.raises(BadInput, match="twice"):
        read(tmp_path, text)


def test_a_link_is_not_followed_even_when_it_comes_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the file and its opening, it may become a link."""
    if not hasattr(os, "O_NOFOLLOW"):
        pytest.skip("this system cannot open without following links")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    monkeypatch.setattr(os.path, "islink", lambda path: False)
    with (
        pytest.raises(BadInput, match="cannot be read"),
        open_regular(tmp_path / "link", 100),
    ):
        pass


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").chmod(0)
    with pytest.raises(BadInput, match="Permission"), open_regular(tmp_path / "file", 100):
        pass
