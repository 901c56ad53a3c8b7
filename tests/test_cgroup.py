from __future__ import annotations

from pathlib import Path

import pytest

from napari_nucleiseg.cgroup import own_groups


@pytest.mark.parametrize(
    ("table", "inner"),
    [
        ("0::/\n", []),
        ("0::/kubepods/pod\n", ["kubepods/pod", "kubepods"]),
        ("4:memory:/old\n0::/user.slice\n", ["user.slice"]),
        ("4:memory:/old\n", []),
        (None, []),
    ],
    ids=["a container", "nested", "both versions", "version 1", "another system"],
)
def test_the_groups_go_from_the_own_one_to_the_root(
    tmp_path: Path, table: str | None, inner: list[str]
) -> None:
    if table is not None:
        (tmp_path / "cgroup").write_text(table)
    root = tmp_path / "fs"
    assert own_groups(root, tmp_path / "cgroup") == [*(root / each for each in inner), root]
