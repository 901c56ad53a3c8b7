"""How much memory a new process may take."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from napari_nucleiseg.cgroup import own_groups


def free_memory() -> int | None:
    """Measure the memory that a process may take now without others suffering.

    Returns
    -------
    int or None
        In bytes; None where the system does not say. The limits of a container and of the
        groups in it (cgroup 2) count. Where the system tells only how much there is in all,
        half of it.
    """
    if sys.platform == "win32":
        return _windows()
    found = [each for each in (_linux(), *map(_free_in, own_groups())) if each is not None]
    return min(found) if found else _half_of_all()


def _linux() -> int | None:
    """Ask the kernel what could be given out, its caches included."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return next((int(kibibytes) * 1024 for kibibytes in found), None)


def _free_in(group: Path) -> int | None:
    """Read what a control group may take yet, the files that it caches included."""
    try:
        limit, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
        lines = (group / "memory.stat").read_text().splitlines()
        cached = next((each.split()[1] for each in lines if each.startswith("inactive_file ")), 0)
        return max(0, int(limit) - int(used) + int(cached))
    except (OSError, ValueError):
        return None  # no such group, or "max": no limit


def _half_of_all() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return None


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of Windows."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        *((name, ctypes.c_uint64) for name in ("physical", "available")),
        *((f"other_{number}", ctypes.c_uint64) for number in range(5)),
    )


def _windows() -> int | None:
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    kernel = getattr(ctypes, "windll", None)
    if kernel is None or not kernel.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.available)
