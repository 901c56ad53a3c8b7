from __future__ import annotations

from pathlib import Path

import pytest

from napari_nucleiseg import training_packages
from napari_nucleiseg.cli import main
from napari_nucleiseg.engine_jobs import prepare
from napari_nucleiseg.training_packages import missing_packages


@pytest.fixture
def _without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = ("tensorflow", "keras", "tf2onnx")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(training_packages, "find_spec", lambda name: name not in absent or None)


@pytest.mark.usefixtures("_without_tensorflow")
@pytest.mark.parametrize(
    "command",
    ["train DATA --out OUT", "train DATA --out OUT --recipe unet", "import FILE.h5 --name x"],
)
def test_what_is_missing_is_named_before_anything_is_written(
    command: str, dsb_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    places = {"DATA": str(dsb_folder), "OUT": str(tmp_path / "out")}
    assert main([places.get(each, each) for each in command.split()]) == 1
    error = capsys.readouterr().err
    assert "need tensorflow and keras and tf2onnx: run pip install" in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("_without_tensorflow")
def test_the_engine_tells_that_training_is_not_possible() -> None:
    *_, last = prepare({})
    assert last.kind == "device"
    assert "tensorflow and keras and tf2onnx cannot be found" in last.values["reason"]


@pytest.mark.usefixtures("_without_tensorflow")
def test_another_backend_needs_keras_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert missing_packages() == ["keras"]
