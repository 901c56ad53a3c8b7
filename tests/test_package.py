"""What is published, and what an import costs."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import requires
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "napari_nucleiseg"
HEAVY = ("cv2", "keras", "magicgui", "napari", "onnxruntime", "qtpy", "scipy", "skimage",
         "tensorflow")  # fmt: skip


def build(target: str, root: Path, out: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", out],
        cwd=root,
        check=True,
        capture_output=True,
    )
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the published sources, not from the checkout."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (root,) = unpacked.iterdir()
    return build("wheel", root, tmp_path_factory.mktemp("wheel"))


def test_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    expected = {
        PurePosixPath("napari_nucleiseg", *path.relative_to(SOURCE).parts)
        for path in SOURCE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {PurePosixPath(name) for name in archive.namelist()}
    assert {path for path in packed if ".dist-info" not in str(path)} == expected


def test_wheel_names_the_manifest_and_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (entries,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        text = archive.read(entries).decode()
    assert "[napari.manifest]\nnapari-nucleiseg = napari_nucleiseg:napari.yaml" in text
    assert "nucleiseg = napari_nucleiseg.cli:main" in text


def test_sdist_holds_no_links_and_no_junk(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert not [each.name for each in members if not each.isreg()]
    junk = {"__pycache__", ".venv", ".git", "dist", "demo-output", ".pytest_cache"}
    assert not [each.name for each in members if junk.intersection(PurePosixPath(each.name).parts)]


def test_link_at_the_root_is_the_manifest() -> None:
    link = ROOT / "napari.yaml"
    # Git under Windows writes a link as a text file with the link's target.
    same = link.read_text() if link.is_symlink() else (ROOT / link.read_text().strip()).read_text()
    assert same == (SOURCE / "napari.yaml").read_text()


def test_base_installation_has_no_qt_and_no_tensorflow() -> None:
    base = [line for line in requires("napari-nucleiseg") or [] if "extra ==" not in line]
    names = {line.split(">")[0].strip().lower() for line in base}
    assert {"napari", "numpy", "onnxruntime", "opencv-python", "scikit-image"} <= names
    assert not {"pyqt5", "pyqt6", "pyside6", "tensorflow", "keras"} & names


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, napari_nucleiseg; print(*sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ
    ).stdout.split()
    assert not set(HEAVY) & set(printed)


def test_napari_accepts_the_manifest() -> None:
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("napari-nucleiseg")
    assert manifest.display_name
