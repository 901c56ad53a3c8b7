"""Style, types and the order of imports are rules like any other."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "command",
    [("ruff", "check", "--quiet", "."), ("mypy",), ("lint-imports",)],
    ids=lambda command: command[0],
)
def test_tool_finds_nothing(command: tuple[str, ...]) -> None:
    program = Path(sysconfig.get_path("scripts"), command[0])
    done = subprocess.run(
        [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)} says:\n{done.stdout}{done.stderr}"
