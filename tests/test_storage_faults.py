"""What is left of a sample when a save meets a fault: nothing drawn may be lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_nucleiseg import atomic, storage
from napari_nucleiseg.atomic import SaveFailed
from napari_nucleiseg.label_files import read_label_tif
from napari_nucleiseg.lock import DatasetLock
from napari_nucleiseg.recovery import write_recovery
from napari_nucleiseg.state import SampleState, Status, write_state
from napari_nucleiseg.storage import repair, save_labels, write_prediction

KILLER = Path(__file__).parent.parent / "benchmarks" / "kill_saves.py"
TAKES_ROOM = ("open", "write", "link", "mkdir")
CHANGES_DISK = (*TAKES_ROOM, "fsync", "replace", "rename", "unlink", "rmdir")


def some_labels(version: int) -> np.ndarray:
    labels = np.zeros((60, 80), np.int32)
    for number in range(1, 4):
        labels[8 * number : 8 * number + 5, 5 * number : 5 * number + 4 + version] = number
    labels[0, 0] = 100 + version
    return labels


def save(folder: Path, version: int) -> None:
    state = SampleState(Status.CORRECTED, touched=(100 + version,))
    save_labels(folder, some_labels(version), state, masks=True)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def make_sample(folder: Path, saves: int) -> Path:
    (folder / "masks").mkdir(parents=True)
    (folder / "masks" / "f00.png").write_bytes(b"came")
    for version in range(1, saves + 1):
        save(folder, version)
    return folder


def check_repaired(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # What a disk did not let go of is removed once it is old; here, at once.
        patch.setattr(atomic, "STALE_AFTER", -1.0)
        repair(folder)
    files = tree(folder)
    place = "masks.original" if (folder / "labels.tif").exists() else "masks"
    assert files[f"{place}/f00.png"] == b"came"
    assert not [name for name in files if ".tmp" in name or "kept" in name]
    if place == "masks.original":
        ids = {i for i in np.unique(read_label_tif(folder / "labels.tif")) if i}
        assert {int(path.stem) for path in (folder / "masks").iterdir()} == ids
    assert not repair(folder)


# --- killed


def killed(*arguments: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, str(KILLER), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_every_step_of_a_save() -> None:
    counts = killed("--every")
    assert len(counts) == 7
    assert min(counts.values()) > 5
    assert sum(counts.values()) > 300


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random() -> None:
    counts = killed("--random", "40")
    assert counts["random times"] == 40
    assert counts["saves"] >= 40


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_killed_at_every_system_call() -> None:
    assert min(killed("--strace").values()) > 50


# --- full, read-only and failing disks


def fail_from(
    patch: pytest.MonkeyPatch, calls: tuple[str, ...], step: int, number: int, *, once: bool
) -> list[int]:
    """Let these functions of `os` fail from their `step`-th call on; return the count."""
    count = [0]

    def failing(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            reads = call.__name__ == "open" and not args[1] & (os.O_WRONLY | os.O_CREAT)
            count[0] += not reads
            if not reads and (count[0] == step if once else count[0] >= step):
                raise OSError(number, os.strerror(number))
            return call(*args, **kwargs)

        return wrapper

    for name in calls:
        patch.setattr(os, name, failing(getattr(os, name)))
    return count


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is such: these faults are patched, flushing only costs."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def failing_saves(
    root: Path, calls: tuple[str, ...], number: int, saves: int, *, once: bool
) -> Iterator[tuple[Path, Path, SaveFailed | None]]:
    """Save with a fault at the first step, the second, ..., until none is met."""
    before, step, met = make_sample(root / "before", saves), 0, True
    while met:
        step += 1
        folder = shutil.copytree(before, root / "sample")
        error: SaveFailed | None = None
        with pytest.MonkeyPatch.context() as patch:
            count = fail_from(patch, calls, step, number, once=once)
            try:
                save(folder, saves + 1)
            except SaveFailed as failed:
                error = failed
            met = count[0] >= step
        yield before, folder, error
        shutil.rmtree(folder)
    assert error is None
    assert step > 10


@pytest.mark.parametrize("saves", [0, 1, 2])
def test_a_disk_that_fills_up_at_any_step_changes_nothing(in_memory: Path, saves: int) -> None:
    for before, folder, error in failing_saves(
        in_memory, TAKES_ROOM, errno.ENOSPC, saves, once=False
    ):
        if error is not None:
            assert "disk is full" in str(error)
            assert str(folder / "labels.tif") in str(error)
            assert tree(folder) == tree(before)
        check_repaired(folder)


@pytest.mark.parametrize("saves", [0, 1])
@pytest.mark.parametrize(("number", "once"), [(errno.EIO, True), (errno.EROFS, False)])
def test_a_disk_that_fails_at_any_step_loses_nothing(
    in_memory: Path, saves: int, number: int, once: bool
) -> None:
    errors = 0
    for _, folder, error in failing_saves(in_memory, CHANGES_DISK, number, saves, once=once):
        errors += error is not None
        if (folder / "labels.tif").exists():
            labels = read_label_tif(folder / "labels.tif")
            versions = (saves + 1,) if error is None else (saves, saves + 1)
            assert any(np.array_equal(labels, some_labels(version)) for version in versions)
        else:
            assert saves == 0
            assert error is not None
        check_repaired(folder)
        save(folder, saves + 2)
        check_repaired(folder)
    assert errors > 10


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a small disk of its own with these options; remount it on the next call."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = []

    def mount_with(options: str) -> Path:
        more = ["-o", f"remount,{options}" if mounted else options]
        command = ["mount", "-t", "tmpfs", *more, "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"may not mount a disk here: {done.stderr.strip()}")
        mounted.append(True)
        return place

    if sys.platform != "linux" or not shutil.which("mount"):
        pytest.skip("mounts a disk as Linux does")
    yield mount_with
    if mounted:
        subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path, leave: int) -> None:
    free = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(max(free.f_bavail * free.f_frsize - leave, 0)))


@pytest.mark.parametrize("saves", [0, 1])
def test_a_real_disk_that_fills_up_changes_nothing(
    mount: Callable[[str], Path], saves: int
) -> None:
    disk = mount("size=512k")
    folder = make_sample(disk / "sample", saves)
    before, failures, room = tree(folder), 0, 0
    while True:
        fill(disk, room)
        try:
            save(folder, saves + 1)
            break
        except SaveFailed as error:
            failures += "disk is full" in str(error)
        assert tree(folder) == before
        (disk / "filler").unlink()
        room += 4096
    assert failures == room // 4096 > 3
    (disk / "filler").unlink()
    check_repaired(folder)


def test_a_real_disk_that_is_full_keeps_what_was_there(mount: Callable[[str], Path]) -> None:
    disk = mount("size=512k")
    folder = make_sample(disk / "sample", 1)
    write_recovery(folder, some_labels(2), "1" * 64, "")
    write_prediction(folder, some_labels(2), "nuclei")
    before = tree(folder)
    fill(disk, 0)
    for write in (
        lambda: write_recovery(folder, some_labels(3), "1" * 64, ""),
        lambda: write_prediction(folder, some_labels(3), "nuclei"),
        lambda: write_state(folder, SampleState(Status.APPROVED)),
    ):
        with pytest.raises(SaveFailed, match="disk is full"):
            write()
    assert tree(folder) == before


def test_a_real_disk_that_is_read_only_offers_another_folder(
    mount: Callable[[str], Path], tmp_path: Path
) -> None:
    disk = mount("size=1m")
    folder = make_sample(disk / "sample", 1)
    before = tree(folder)
    mount("ro")
    for write in (
        lambda: save(folder, 2),
        lambda: save(disk / "new" / "sample", 2),
        lambda: write_prediction(folder, some_labels(2), "nuclei"),
        lambda: write_recovery(folder, some_labels(2), "1" * 64, ""),
        lambda: DatasetLock.acquire(disk),
    ):
        with pytest.raises(SaveFailed, match=r"read-only: .* save to another folder"):
            write()
    assert not repair(folder)
    assert tree(folder) == before
    np.testing.assert_array_equal(read_label_tif(folder / "labels.tif"), some_labels(1))
    save(tmp_path / "corrections", 2)
    mount("rw")
    save(folder, 2)
    check_repaired(folder)


@pytest.mark.skipif(os.name == "nt", reason="folders have no such permission on Windows")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    folder = make_sample(tmp_path / "sample", 1)
    before = tree(folder)
    folder.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(SaveFailed, match="no permission"):
            save(folder, 2)
        assert tree(folder) == before
    finally:
        folder.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_file_above_the_limit_changes_nothing(tmp_path: Path) -> None:
    import resource
    import signal

    folder = make_sample(tmp_path / "sample", 1)
    before, limits = tree(folder), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
    try:
        with pytest.raises(SaveFailed, match="file of this size"):
            save(folder, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert tree(folder) == before
    check_repaired(folder)


def test_masks_that_cannot_be_put_in_place_are_named_and_the_labels_are_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where another program has the folder open."""
    folder = make_sample(tmp_path / "sample", 1)

    def fail(*_: object) -> None:
        raise PermissionError(errno.EACCES, "in use")

    with monkeypatch.context() as patched:
        patched.setattr(storage, "swap_masks", fail)
        with pytest.raises(SaveFailed, match=r"masks was not saved because you have no permission"):
            save(folder, 2)
    np.testing.assert_array_equal(read_label_tif(folder / "labels.tif"), some_labels(2))
    assert repair(folder)
    check_repaired(folder)
