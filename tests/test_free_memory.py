from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from napari_nucleiseg import free_memory as module
from napari_nucleiseg.free_memory import free_memory


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="tells the size of the memory on POSIX")
def test_some_of_the_memory_is_free() -> None:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = free_memory()
    assert free is not None
    assert 10_000_000 < free < whole


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("3000000000\n")
    (tmp_path / "memory.current").write_text("1000000000\n")
    assert module._container(tmp_path) == 2_000_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert module._container(tmp_path) is None
    assert module._container(tmp_path / "none") is None


def test_a_system_that_says_less_is_believed_by_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_linux", lambda: None)
    monkeypatch.setattr(module, "_container", lambda: None)
    sizes = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__, raising=False)
    assert free_memory() == 1000 * 4096 // 2


def test_the_structure_that_windows_fills_has_its_size() -> None:
    assert ctypes.sizeof(module._MemoryStatus) == 64
