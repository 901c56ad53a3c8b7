"""The helper that runs some tests in processes of their own must not lose a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFIGURATION = """
[pytest]
addopts = --import-mode=importlib
pythonpath = tests
markers = tensorflow: runs apart
"""
HERE = """
import os
import pytest

def test_here():
    assert "NUCLEISEG_TEST_CHILD" not in os.environ

@pytest.mark.tensorflow
def test_marked():
    assert os.environ["NUCLEISEG_TEST_CHILD"] == "nn"
"""
APART = """
import os
assert os.environ["NUCLEISEG_TEST_CHILD"] == "{0}"

def test_apart(): pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with four tests, which all pass in the right process."""
    monkeypatch.delenv("NUCLEISEG_TEST_CHILD", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take a second to import
    helper = Path(__file__).with_name("processes.py").read_text()
    pytester.makefile(".ini", pytest=CONFIGURATION)
    pytester.makepyfile(
        **{
            "tests/processes": helper,
            "tests/conftest": 'pytest_plugins = ["processes"]',
            "tests/test_here": HERE,
            "tests/_qt/test_windows": APART.format("_qt"),
            "tests/nn/test_networks": APART.format("nn"),
        }
    )
    return pytester


def add(project: pytest.Pytester, code: str) -> None:
    project.makepyfile(**{"tests/nn/test_more": code})


def test_tests_of_all_processes_are_counted_together(project: pytest.Pytester) -> None:
    project.runpytest_subprocess().assert_outcomes(passed=4)


def test_every_outcome_comes_back(project: pytest.Pytester) -> None:
    add(
        project,
        """
import pytest
def test_fails(): assert [1] == [2]
@pytest.mark.skip(reason="not today")
def test_skips(): pass
@pytest.fixture
def broken(): raise OSError
def test_errs(broken): pass
@pytest.mark.xfail
def test_expected(): assert False
""",
    )
    result = project.runpytest_subprocess("-rs")
    result.assert_outcomes(passed=4, failed=1, skipped=1, errors=1, xfailed=1)
    result.stdout.fnmatch_lines(["*assert [[]1[]] == [[]2[]]*", "*not today*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("folder", ["_qt", "nn"])
def test_death_of_a_process_is_a_failure_and_the_rest_runs(
    project: pytest.Pytester, folder: str
) -> None:
    dies = "import os\ndef test_dies(): os._exit(77)\ndef test_after(): pass"
    project.makepyfile(**{f"tests/{folder}/test_dying": dies})
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["*test_dies*", "*ended with code 77*"])


def test_file_that_cannot_be_imported_is_an_error(project: pytest.Pytester) -> None:
    add(project, "import no_such_module")
    result = project.runpytest_subprocess()
    assert result.parseoutcomes()["errors"] == 1
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_options_choose_among_all(project: pytest.Pytester) -> None:
    project.runpytest_subprocess("-k", "apart or marked").assert_outcomes(passed=3, deselected=1)
    project.runpytest_subprocess("-m", "not tensorflow", "-k", "here").assert_outcomes(
        passed=1, deselected=1
    )


def test_first_failure_stops_when_asked(project: pytest.Pytester) -> None:
    add(project, "def test_a(): assert False\ndef test_b(): assert False")
    project.runpytest_subprocess("-x").assert_outcomes(passed=2, failed=1)


def test_import_of_tensorflow_among_windows_is_refused(project: pytest.Pytester) -> None:
    project.makepyfile(**{"tests/test_wrong": "def test_wrong(): import tensorflow"})
    result = project.runpytest_subprocess("-k", "wrong")
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(["*mark it with pytest.mark.tensorflow*"])
