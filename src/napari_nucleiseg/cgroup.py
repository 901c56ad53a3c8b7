"""The control groups (cgroup 2) of this process: how Linux limits a container."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_TABLE = Path("/proc/self/cgroup")


def own_groups(root: Path = _ROOT, table: Path = _TABLE) -> list[Path]:
    """List the folders of the groups that this process is in: the limits of all of them hold.

    Parameters
    ----------
    root : Path
        Where the groups are mounted.
    table : Path
        The kernel's list of the groups of a process.

    Returns
    -------
    list of Path
        The innermost first, `root` last; `root` alone where the system does not say. They
        need not exist.
    """
    try:
        lines = table.read_text().splitlines()
    except OSError:
        return [root]
    own = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")
    inner = Path(own.lstrip("/"))
    return [root / each for each in (inner, *inner.parents)] if inner.parts else [root]
