from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from napari_nucleiseg.atomic import SaveFailed
from napari_nucleiseg.nn.checkpoints import read_checkpoint, write_checkpoint


def write(folder: Path, step: int) -> None:
    write_checkpoint(folder, step, {"best": step}, {"weights": {"a/b": np.full(9, step)}})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write(tmp_path, 7)
    step, state, parts = read_checkpoint(tmp_path)
    assert (step, state) == (7, {"best": 7})
    np.testing.assert_array_equal(parts["weights"]["a/b"], 7)


def test_a_virus_scanner_does_not_stop_it(tmp_path: Path, virus_scanner: Counter[str]) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2)
    assert read_checkpoint(tmp_path)[0] == 2
    assert virus_scanner


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "nowhere") is None


def test_old_ones_are_dropped_and_one_is_kept_to_fall_back_on(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        write(tmp_path, step)
    assert len(list(tmp_path.glob("step-*"))) == 2
    assert read_checkpoint(tmp_path)[0] == 4


def test_what_macos_adds_to_old_ones_goes_with_them(tmp_path: Path) -> None:
    for step in (1, 2, 3, 3):
        write(tmp_path, step)
        (tmp_path / f"step-{step:08d}" / "._state.json").touch()
    assert len(list(tmp_path.glob("step-*"))) == 2
    assert read_checkpoint(tmp_path)[0] == 3


def test_what_others_keep_there_is_left_alone(tmp_path: Path) -> None:
    theirs = ["step-1000", "step-2000", "step-3000", "step-00000001", ".new-idea"]
    for each in theirs:
        (tmp_path / each).mkdir()
        (tmp_path / each / "model.pt").write_text("mine")
    for step in (2, 3, 4, 5):
        write(tmp_path, step)
    ours = ["CURRENT", "step-00000004", "step-00000005"]
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([*theirs, *ours])
    assert all((tmp_path / each / "model.pt").read_text() == "mine" for each in theirs)
    with pytest.raises(SaveFailed):
        write(tmp_path, 1)
    assert (tmp_path / "step-00000001" / "model.pt").exists()


def test_the_current_one_stays_where_damaged_ones_of_later_steps_stand(tmp_path: Path) -> None:
    for step in (3, 8, 9):
        write(tmp_path, step)
    for step in (8, 9):
        (tmp_path / f"step-{step:08d}" / "weights.npz").write_bytes(b"torn")
    for step in (4, 5):
        write(tmp_path, step)
        assert read_checkpoint(tmp_path)[0] == step
    (tmp_path / "step-00000005" / "weights.npz").write_bytes(b"torn")
    assert read_checkpoint(tmp_path)[0] == 4, "one is kept to fall back on"


@pytest.mark.parametrize("name", ["state.json", "weights.npz"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "gone"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, name: str, damage: str) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2)
    path = tmp_path / "step-00000002" / name
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found[0] == 1 or (damage == "flipped" and name == "state.json" and found[0] == 2)


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b'{"files": []}',
        b'{"files": null}',
        b'{"files": {}}',
        b'{"files": {}, "step": "x", "state": {}}',
        b'{"files": {}, "step": 3, "state": 5}',
        b'{"files": {"../x": "0"}, "step": 3, "state": {}}',
        b"[" * 100_000,
    ],
    ids=range(8),
)
def test_a_state_of_another_shape_is_passed_over(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2)
    (tmp_path / "step-00000002" / "state.json").write_bytes(content)
    assert read_checkpoint(tmp_path)[0] == 1


def test_a_half_written_checkpoint_is_never_read(tmp_path: Path) -> None:
    write(tmp_path, 1)
    half = tmp_path / ".step-00000002.999999999-0123abcd.tmp"
    half.mkdir()
    (half / "state.json").write_text("{")
    assert read_checkpoint(tmp_path)[0] == 1
    write(tmp_path, 2)
    assert not half.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_checkpoint_may_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write(tmp_path, 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "step-00000001").stat().st_mode) == 0o755


def test_a_full_disk_leaves_the_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 1)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(Exception, match="full"):
        write(tmp_path, 2)
    monkeypatch.undo()
    assert read_checkpoint(tmp_path)[0] == 1
    assert not list(tmp_path.glob(".*"))
