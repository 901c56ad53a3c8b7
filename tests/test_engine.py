"""The engine with a real child process, and jobs that need no TensorFlow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from napari_nucleiseg.engine import Engine, EngineFailed, EngineState
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress

TESTS = Path(__file__).parent
posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups of POSIX")


@pytest.fixture
def make_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Engine]]:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    made: list[Engine] = []

    def make(jobs: str = "engine_fakes:JOBS") -> Engine:
        made.append(Engine(jobs))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def engine(make_engine: Callable[..., Engine]) -> Engine:
    return make_engine()


def steps_of(job: Iterator[Progress]) -> list[Progress]:
    """What the job itself yielded."""
    return [step for step in job if step.kind != "alive"]


def first_step(job: Iterator[Progress]) -> Progress:
    return next(step for step in job if step.kind != "alive")


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came to pass"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that nobody has waited for is a zombie.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


# --- what works


def test_nobody_waits_for_a_child_that_has_died(
    make_engine: Callable[..., Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dies_young.py").write_text("import os; os._exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert not make_engine("dies_young:JOBS").wait_until_ready(3600)


def test_a_job_yields_here_what_it_yields_there(engine: Engine) -> None:
    steps = steps_of(engine.run("count", {"to": 3}))
    assert [(step.done, step.total, step.message) for step in steps] == [
        (1, 3, "step 1"),
        (2, 3, "step 2"),
        (3, 3, "step 3"),
    ]
    assert steps[0].values["pid"] not in (os.getpid(), None)


def test_paths_numbers_and_the_request_cross(engine: Engine) -> None:
    (step,) = steps_of(engine.run("values", {"deep": {"list": [1, None, "ü"]}}))
    assert step.message == "µ"
    assert step.values["path"] == str(Path("a") / "b")
    assert step.values["number"] == 0.5
    assert step.values["nan"] != step.values["nan"]
    assert step.values["rows"] == [[1, "é"]]
    assert step.values["echo"] == {"deep": {"list": [1, None, "ü"]}}


def test_the_child_lives_on_for_the_next_job(engine: Engine) -> None:
    first, second = (steps_of(engine.run("count", {"to": 1}))[0].values["pid"] for _ in range(2))
    assert first == second == engine.pid


def test_the_state_tells_what_it_does(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine("engine_fakes:SLOW")
    assert engine.state is EngineState.STOPPED
    engine.start()
    assert engine.state is EngineState.STARTING
    assert engine.about == {}
    assert engine.wait_until_ready(20)
    assert engine.about == {"name": "CPU", "reason": "A fake."}
    assert engine.state is EngineState.READY
    job = engine.run("count", {"to": 100, "pause": 0.05})
    first_step(job)
    assert engine.state is EngineState.BUSY
    job.close()
    assert engine.state is EngineState.READY
    engine.close()
    assert engine.state is EngineState.STOPPED
    assert engine.pid is None


def test_a_job_asked_for_while_the_child_starts_says_so_and_runs(
    make_engine: Callable[..., Engine],
) -> None:
    steps = list(make_engine("engine_fakes:SLOW").run("count", {"to": 1}))
    assert "Starting" in steps[0].message
    assert steps[-1].message == "step 1"


def test_a_silent_job_yields_all_the_same(engine: Engine) -> None:
    steps = list(engine.run("count", {"to": 2, "pause": 1}))
    last = [step for step in steps if step.kind == "alive" and step.done == 1]
    assert last, "nobody could have cancelled it"
    assert last[0].values == {}


# --- what goes wrong on this side


def test_a_second_job_is_refused_and_the_first_goes_on(engine: Engine) -> None:
    job = engine.run("count", {"to": 5, "pause": 0.1})
    first_step(job)
    with pytest.raises(BadInput, match="at work already"):
        next(engine.run("count", {"to": 1}))
    assert steps_of(job)[-1].done == 5


def test_a_job_that_is_not_on_the_list_is_refused(engine: Engine) -> None:
    with pytest.raises(BadInput, match=r"no job 'os\.system'.*count"):
        steps_of(engine.run("os.system", {}))
    assert engine.state is not EngineState.BUSY


def test_closing_a_job_closes_it_there_and_keeps_the_child(engine: Engine, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    job = engine.run("count", {"to": 1000, "pause": 0.02, "closed": str(closed)})
    pid = first_step(job).values["pid"]
    job.close()
    assert closed.read_text() == "closed"
    assert first_step(engine.run("count", {"to": 1})).values["pid"] == pid


def test_a_job_that_was_closed_before_it_began_does_not_run(engine: Engine, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    job = engine.run("count", {"to": 1000, "pause": 0.02, "closed": str(closed)})
    next(job)
    job.close()
    assert steps_of(engine.run("count", {"to": 2}))[-1].done == 2


@pytest.mark.parametrize("name", ["stubborn", "holds_gil"])
def test_a_job_that_ignores_the_end_is_killed_and_the_next_has_a_new_child(
    engine: Engine, name: str, tmp_path: Path
) -> None:
    deaf = tmp_path / "deaf"
    job = engine.run(name, {"deaf": str(deaf)})
    pid = first_step(job).values["pid"]
    # Cancelled before it is asked for its next item, it would end like any other job.
    wait_until(deaf.exists)
    job.close()
    wait_until(lambda: not is_running(pid))
    assert first_step(engine.run("count", {"to": 1})).values["pid"] != pid


def test_closing_the_engine_ends_a_running_job(engine: Engine) -> None:
    job = engine.run("stubborn", {})
    pid = first_step(job).values["pid"]
    threading.Timer(0.3, engine.close).start()
    with pytest.raises(EngineFailed):
        steps_of(job)
    wait_until(lambda: not is_running(pid))


# --- what goes wrong on the other side


def test_prints_do_not_reach_the_pipe(engine: Engine) -> None:
    assert [step.message for step in steps_of(engine.run("garbage", {}))] == ["clean"]
    assert [step.message for step in steps_of(engine.run("reads_stdin", {}))] == ["''"]
    assert steps_of(engine.run("count", {"to": 2}))[-1].done == 2


def test_an_error_for_the_person_arrives_word_for_word(engine: Engine) -> None:
    with pytest.raises(BadInput, match=r"^The dataset is empty; add an image\.$") as caught:
        steps_of(engine.run("refuses", {}))
    assert not isinstance(caught.value, (EngineFailed, RuntimeError))


@pytest.mark.parametrize(
    ("job", "request_", "words"),
    [
        pytest.param("dies", {"how": "abort"}, "SIGABRT.*out of memory while all", marks=posix),
        pytest.param("dies", {"how": "segv"}, "SIGSEGV.*out of memory while all", marks=posix),
        ("dies", {"how": "exit"}, "code 7 after saying: out of memory while all"),
        ("fault", {}, "KeyError: 'a fault of ours'"),
        ("array", {}, "TypeError: A ndarray cannot be sent"),
    ],
)
def test_a_death_is_told_in_one_sentence_and_the_next_job_runs(
    engine: Engine, job: str, request_: dict, words: str
) -> None:
    with pytest.raises(EngineFailed, match=words) as caught:
        steps_of(engine.run(job, request_))
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, RuntimeError)
    assert steps_of(engine.run("count", {"to": 2}))[-1].done == 2


def test_a_fault_keeps_its_traceback_for_a_report(engine: Engine) -> None:
    with pytest.raises(EngineFailed) as caught:
        steps_of(engine.run("fault", {}))
    assert "engine_fakes.py" in caught.value.last_words


@posix
def test_a_child_killed_in_the_middle_of_a_job(engine: Engine) -> None:
    job = engine.run("count", {"to": 1000, "pause": 0.02})
    os.kill(first_step(job).values["pid"], signal.SIGKILL)
    with pytest.raises(EngineFailed, match=r"SIGKILL.*memory.*resume"):
        steps_of(job)
    assert steps_of(engine.run("count", {"to": 2}))[-1].done == 2


@posix
def test_a_child_killed_between_two_jobs_is_not_missed(engine: Engine) -> None:
    pid = first_step(engine.run("count", {"to": 1})).values["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: engine.state is EngineState.STOPPED)
    assert first_step(engine.run("count", {"to": 1})).values["pid"] != pid


@posix
def test_an_interrupt_in_the_terminal_does_not_kill_the_child(engine: Engine) -> None:
    job = engine.run("count", {"to": 10, "pause": 0.05})
    os.kill(first_step(job).values["pid"], signal.SIGINT)
    assert steps_of(job)[-1].done == 10


PARENT = """
import os, sys
from napari_nucleiseg.engine import Engine
engine = Engine("engine_fakes:JOBS")
job = engine.run({job!r}, {request!r})
print(next(step for step in job if step.kind != "alive").values["pid"], flush=True)
{then}
"""


def parent_process(job: str, request: dict, then: str) -> tuple[subprocess.Popen[str], int]:
    code = PARENT.format(job=job, request=request, then=then)
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


@posix
@pytest.mark.parametrize("job", ["count", "stubborn", "holds_gil"])
def test_no_orphan_when_the_parent_is_killed(job: str) -> None:
    parent, pid = parent_process(job, {"to": 10**6, "pause": 0.05}, "next(job); list(job)")
    assert is_running(pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_running(pid))


@posix
def test_no_orphan_when_a_fork_of_the_parent_holds_the_pipe() -> None:
    then = "fork = os.fork(); print(fork, flush=True) if fork else None; list(job)"
    parent, pid = parent_process("stubborn", {}, then)
    assert parent.stdout is not None
    fork = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    try:
        wait_until(lambda: not is_running(pid))
    finally:
        os.kill(fork, signal.SIGKILL)


@posix
def test_no_orphan_when_the_parent_ends_by_itself() -> None:
    parent, pid = parent_process("stubborn", {}, "sys.exit()")
    assert parent.wait() == 0
    wait_until(lambda: not is_running(pid))


def test_a_module_in_the_current_folder_is_not_taken_for_ours(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a stranger ran')")
    monkeypatch.chdir(tmp_path)
    assert steps_of(engine.run("count", {"to": 1}))[-1].done == 1
