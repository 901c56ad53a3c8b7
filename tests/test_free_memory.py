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


def limit_memory(group: Path, limit: str, used: int, cached: int = 0) -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.max").write_text(f"{limit}\n")
    (group / "memory.current").write_text(f"{used}\n")
    stat = f"anon 5\nfile {cached + 7}\ninactive_file {cached}\nactive_file 7\n"
    (group / "memory.stat").write_text(stat)


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every group that the process is in; files that are merely cached can be given up."""
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    monkeypatch.setattr(module, "own_groups", lambda: [inner, outer, tmp_path])
    monkeypatch.setattr(module, "_linux", lambda: 10**12)
    assert free_memory() == 10**12, "there are no groups"
    limit_memory(outer, "3000000000", 1_000_000_000)
    assert free_memory() == 2_000_000_000
    limit_memory(inner, "max", 500_000_000)
    assert free_memory() == 2_000_000_000
    limit_memory(inner, "1000000000", 900_000_000, cached=700_000_000)
    assert free_memory() == 800_000_000
    limit_memory(inner, "1000000000", 1_000_000_001)
    assert free_memory() == 0


def test_a_system_that_says_less_is_believed_by_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_linux", lambda: None)
    monkeypatch.setattr(module, "own_groups", list)
    sizes = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__, raising=False)
    assert free_memory() == 1000 * 4096 // 2


def test_the_structure_that_windows_fills_has_its_size() -> None:
    assert ctypes.sizeof(module._MemoryStatus) == 64
