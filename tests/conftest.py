"""What all tests share: made data, the real data where it is at hand, a clean surrounding."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_models import write_tiny_model

from napari_nucleiseg import atomic
from napari_nucleiseg.synthetic import make_dataset

pytest_plugins = ["processes", "pytester", "virtual_display"]

TESTS = Path(__file__).parent


def real_data_folder() -> Path | None:
    """The folder with `stage1_train.zip` and `samples.csv`, if there is one."""
    named = os.environ.get("NUCLEISEG_DSB2018")
    folder = Path(named) if named else TESTS.parent.parent / "shared" / "data" / "dsb2018"
    return folder if (folder / "stage1_train.zip").is_file() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    absent = pytest.mark.skip(
        reason="needs the DSB2018 images: name their folder in NUCLEISEG_DSB2018"
    )
    for item in items:
        if TESTS / "nn" in item.path.parents:
            item.add_marker("tensorflow")
        if item.get_closest_marker("real_data") and real_data_folder() is None:
            item.add_marker(absent)


@pytest.fixture
def dsb2018() -> Path:
    """The real data; use it under the mark `real_data`, and only read it."""
    folder = real_data_folder()
    assert folder is not None, "mark this test with pytest.mark.real_data"
    return folder


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep caches, models and settings of the person who runs the tests out of reach."""
    monkeypatch.setenv("NUCLEISEG_CACHE", str(tmp_path / "user-cache"))
    monkeypatch.setenv("NUCLEISEG_MODELS", str(tmp_path / "user-models"))
    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "napari-settings.yaml"))


@pytest.fixture(scope="session")
def _dsb_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("made") / "dsb", seed=0, count=4, edge=128)


@pytest.fixture
def dsb_folder(_dsb_original: Path, tmp_path: Path) -> Path:
    """A made dataset in the DSB2018 layout: four samples of 128 x 128; yours to change."""
    return Path(shutil.copytree(_dsb_original, tmp_path / "dsb"))


@pytest.fixture
def model(tmp_path: Path) -> str:
    """The folder of a model that is a few operations on the intensities."""
    return str(write_tiny_model(tmp_path / "tiny").folder)


@pytest.fixture
def virus_scanner(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """As on Windows: what was just written is held open at the first two tries to rename it."""
    tries: Counter[str] = Counter()

    def held(rename: Callable[[str, str], None]) -> Callable[[str, str], None]:
        def try_to_rename(source: str, target: str) -> None:
            tries[str(source)] += 1
            if tries[str(source)] < 3:
                raise PermissionError(13, "Access is denied")
            rename(source, target)

        return try_to_rename

    monkeypatch.setattr(atomic, "ON_WINDOWS", True)
    monkeypatch.setattr(atomic, "_WAITS", (0.0,) * 8)
    monkeypatch.setattr(os, "rename", held(os.rename))
    monkeypatch.setattr(os, "replace", held(os.replace))
    return tries
