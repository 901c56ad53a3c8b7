from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from napari_nucleiseg import device
from napari_nucleiseg.device import cpu_threads, describe_device

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.fixture
def with_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """An onnxruntime that says it can use CUDA."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda directory: None, raising=False)


def pretend_session(monkeypatch: pytest.MonkeyPatch, what: Any) -> None:
    """Let a session on CUDA start as `what` says, and the others as they are."""
    real = onnxruntime.InferenceSession

    def session(graph: bytes, options: Any, providers: list, **others: Any) -> Any:
        return what() if providers[0][0] == CUDA else real(graph, options, providers=providers)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)


class Works:
    def get_providers(self) -> list[str]:
        return [CUDA, CPU]


class FallsBackInSilence:
    def get_providers(self) -> list[str]:
        return [CPU]


def fails() -> None:
    raise RuntimeError("CUDA driver version is insufficient\nat line 3")


def test_the_cpu_and_why() -> None:
    found = describe_device()
    assert found.name in ("CPU", "CUDA", "DirectML")
    if found.name == "CPU":
        assert "onnxruntime" in found.reason


def test_a_card_that_works_is_used(monkeypatch: pytest.MonkeyPatch, with_cuda: None) -> None:
    pretend_session(monkeypatch, Works)
    assert describe_device() == ("CUDA", "CUDA is installed and works.")


def test_a_card_that_fails_is_named_and_the_cpu_used(
    monkeypatch: pytest.MonkeyPatch, with_cuda: None
) -> None:
    pretend_session(monkeypatch, fails)
    assert describe_device() == (
        "CPU",
        "CUDA did not start (CUDA driver version is insufficient): the CPU is used.",
    )


def test_a_card_that_is_left_out_in_silence_is_named(
    monkeypatch: pytest.MonkeyPatch, with_cuda: None
) -> None:
    pretend_session(monkeypatch, FallsBackInSilence)
    assert describe_device() == ("CPU", "CUDA did not start: the CPU is used.")


def test_what_the_loading_of_cuda_says_is_kept_and_not_printed(
    monkeypatch: pytest.MonkeyPatch, with_cuda: None, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_session(monkeypatch, fails)
    words = "Failed to load libcudnn.so.9"
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda directory: sys.stdout.write(words))
    assert words in describe_device().reason
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("asked", "threads"), [("2", 2), ("1,4", 1), ("0", 3), ("many", 3)])
def test_no_more_threads_than_the_scheduler_says(
    asked: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr(device, "_siblings", str)
    monkeypatch.setattr(device, "own_groups", list)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert cpu_threads() == threads
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cpu_threads() == (0 if threads == 3 else threads)


def test_threads_are_the_cores_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if not hasattr(os, "sched_setaffinity"):
        assert cpu_threads() == 0
        return
    before = os.sched_getaffinity(0)
    assert 1 <= cpu_threads() <= len(before)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cpu_threads() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
def test_a_quota_of_the_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "slice" / "job"
    inner.mkdir(parents=True)
    (tmp_path / "slice" / "cpu.max").write_text("150000 100000\n")
    (inner / "cpu.max").write_text("max 100000\n")
    monkeypatch.setattr(device, "own_groups", lambda: [inner, *inner.parents])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(1000, 1008)))
    assert cpu_threads() == 2
