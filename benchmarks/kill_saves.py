"""Kill a process in the middle of a save, at each of its steps, and see what is left.

``python benchmarks/kill_saves.py`` kills with SIGKILL

- before each call by which a save or a recovery file touches the disk, and in the middle
  of each write (``--every``);
- before each such call of a repair that follows each such save (``--repairs``);
- at random times, 200 by default (``--random``);
- at each system call, by strace, where that is installed (``--strace``).

After each kill it checks that the labels saved last (or those being saved) are there
whole, that `repair` makes masks and status agree with them, that the masks that came with
the dataset are byte for byte what they were, that nothing is left over, and that the next
save works. It prints the counts, and ends with 1 at the first loss. POSIX only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from saves_to_kill import (
    Case,
    cases,
    check,
    check_repaired,
    expect,
    labels_of,
    saved_version,
    state_of,
    version_of,
)

from napari_nucleiseg.recovery import clear_recovery, read_recovery, write_recovery
from napari_nucleiseg.storage import repair, save_labels

IMAGE = "1" * 64
CALLS = (
    *("open", "write", "fsync", "close", "link", "replace", "rename", "unlink"),
    *("mkdir", "rmdir", "ftruncate", "scandir", "listdir"),
)
# strace counts each of them on its own; "?" is for those that a processor does not have.
SYSTEM_CALLS = (
    *("openat", "write", "fsync", "close", "?link", "linkat", "?rename", "?renameat"),
    *("renameat2", "?unlink", "unlinkat", "?mkdir", "mkdirat", "?rmdir", "getdents64"),
)


def kill_at(step: int) -> None:
    """Let this process die before its `step`-th call to the disk; each write is two steps."""
    lock, count = threading.Lock(), 0

    def counted(call: Callable[..., Any], halve: bool) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            with lock:
                count += 1
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += halve
                if halve and count == step:
                    call(args[0], args[1][: len(args[1]) // 2])
                    os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return wrapper

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name), halve=name == "write"))


def run_and_kill(work: Callable[[], object], step: int) -> bool:
    """Run `work` in a forked child that dies at `step`; tell whether it got to the end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            kill_at(step)
            work()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    expect(os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed")
    return not os.WIFSIGNALED(status)


def steps(work: Callable[[], object], again: Callable[[], None]) -> Iterator[bool]:
    """Kill `work` at its first step, its second, ..., until it gets to the end."""
    step, done = 0, False
    while not done:
        step += 1
        again()
        done = run_and_kill(work, step)
        yield done


def kill_every_save(root: Path) -> dict[str, int]:
    """Kill a save at each of its steps."""
    counts = {}
    for case in cases():
        before, folder = root / "before", root / "sample"
        case.prepare(before)
        kills = 0
        for done in steps(lambda: case.save(folder), lambda: copy(before, folder)):  # noqa: B023
            kills += not done
            check(folder, case, done=done)
        counts[case.name] = kills
        shutil.rmtree(before, ignore_errors=True)
    return counts


def copy(source: Path, target: Path) -> None:
    """Make `target` what `source` is; both may be missing."""
    shutil.rmtree(target, ignore_errors=True)
    if source.exists():
        shutil.copytree(source, target)


def kill_every_repair(root: Path) -> dict[str, int]:
    """Kill a save at each of its steps, and then the repair at each of its own."""
    kills, folder, broken, before = 0, root / "sample", root / "broken", root / "before"
    for case in cases()[:2]:
        case.prepare(before)
        save_steps = steps(lambda: case.save(broken), lambda: copy(before, broken))  # noqa: B023
        for saved in save_steps:
            for done in steps(lambda: repair(folder), lambda: copy(broken, folder)):
                kills += not done
                check(folder, case, done=saved)
        shutil.rmtree(before, ignore_errors=True)
    return {"repair after a killed save": kills}


def kill_every_recovery(root: Path) -> dict[str, int]:
    """Kill the writing of a recovery file at each of its steps."""
    before, folder, kills = root / "before", root / "sample", 0
    saved = save_labels(before, labels_of(1), state_of(1), masks=False).labels_sha256
    write_recovery(before, labels_of(2), IMAGE, saved)
    for done in steps(
        lambda: write_recovery(folder, labels_of(3), IMAGE, saved), lambda: copy(before, folder)
    ):
        kills += not done
        found = read_recovery(folder, IMAGE)
        expect(found is not None, "the recovery file is lost")
        expect(version_of(found.labels) in ({3} if done else {2, 3}), "the strokes are lost")
        expect(saved_version(folder) == 1, "the labels changed")
    return {"recovery file": kills}


def kill_at_random(root: Path, count: int, seed: int = 0) -> dict[str, int]:
    """Kill a process that saves again and again, `count` times at random."""
    chance, case, folder = random.Random(seed), cases()[0], root / "sample"
    case.prepare(folder)
    saved, in_work = 0, 0
    for _ in range(count):
        acknowledged = max(saved, save_until_killed(folder, saved, chance.uniform(0.0, 3.0)))
        version = saved_version(folder)
        expect(acknowledged <= version <= acknowledged + 1, "an acknowledged save is lost")
        in_work += version > acknowledged
        repair(folder)
        check_repaired(folder, case, version)
        saved = version
    return {"random times": count, "of them newer than acknowledged": in_work, "saves": saved}


def save_until_killed(folder: Path, saved: int, share: float) -> int:
    """Save version after version in a child, kill it, and return the last acknowledged.

    The kill comes after the first save and `share` of the time which that one took.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for version in range(saved + 1, saved + 10_000):
                write_recovery(folder, labels_of(version), IMAGE, "")
                save_labels(folder, labels_of(version), state_of(version), masks=True)
                os.write(writing, struct.pack("<I", version))
                clear_recovery(folder)
        finally:
            os._exit(1)
    os.close(writing)
    start = time.perf_counter()
    acknowledged = os.read(reading, 4)
    time.sleep(share * (time.perf_counter() - start))
    os.kill(child, signal.SIGKILL)
    expect(os.WIFSIGNALED(os.waitpid(child, 0)[1]), "the child failed")
    with os.fdopen(reading, "rb") as pipe:
        acknowledged += pipe.read()
    return max(struct.unpack(f"<{len(acknowledged) // 4}I", acknowledged), default=0)


def kill_by_strace(root: Path) -> dict[str, int]:
    """Kill a save at each of its system calls, with no help from Python."""
    counts, before, folder = {}, root / "before", root / "sample"
    for case in cases()[:2]:
        case.prepare(before)
        kills = 0
        for call in SYSTEM_CALLS:
            done = False
            for nth in itertools.takewhile(lambda _: not done, itertools.count(1)):  # noqa: B023
                copy(before, folder)
                done = save_under_strace(folder, case, call, nth)
                kills += not done
                check(folder, case, done=done)
        counts[f"system calls of the {case.name}"] = kills
        shutil.rmtree(before, ignore_errors=True)
    return counts


def save_under_strace(folder: Path, case: Case, call: str, nth: int) -> bool:
    """Save in a child that strace kills at its `nth` such `call`; tell if it finished."""
    child = os.fork()
    if child == 0:
        try:
            os.kill(os.getpid(), signal.SIGSTOP)
            case.save(folder)
        finally:
            os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    what = f"inject={call}:signal=KILL:when={nth}"
    command = ["strace", "-f", "-e", f"trace={call}", "-e", what, "-p", str(child)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        first = tracer.stderr.readline()
        os.kill(child, signal.SIGCONT)
        tracer.stderr.read()
    status = os.waitpid(child, 0)[1]
    expect("attached" in first, f"strace: {first.strip()}")
    return not os.WIFSIGNALED(status)


def fast_folder() -> str | None:
    """Prefer memory: a kill is the same there, and a flush costs nothing."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main() -> int:
    """Run what the command line names, or everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--every", action="store_true", help="at each call to the disk")
    parser.add_argument(
        "--repairs", action="store_true", help="at each call of the repair after each killed save"
    )
    parser.add_argument("--random", type=int, metavar="N", help="N times at random")
    parser.add_argument("--strace", action="store_true", help="at each system call")
    parser.add_argument("--folder", default=fast_folder(), help="where to save")
    chosen = parser.parse_args()
    everything = not (chosen.every or chosen.repairs or chosen.random or chosen.strace)
    runs: list[Callable[[Path], dict[str, int]]] = []
    if chosen.every or everything:
        runs += [kill_every_save, kill_every_recovery]
    if chosen.repairs or everything:
        runs += [kill_every_repair]
    if chosen.random or everything:
        runs += [lambda root: kill_at_random(root, chosen.random or 200)]
    if chosen.strace or (everything and shutil.which("strace")):
        runs += [kill_by_strace]
    counts: dict[str, int] = {}
    for run in runs:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as root:
            counts |= run(Path(root))
    print(json.dumps(counts, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
