"""What long work says of itself while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """One step of a job.

    A job is a generator of these. Whoever drives it cancels by not asking for the next
    one and closing the generator.

    Attributes
    ----------
    done, total : int
        Units of work finished and in all; `total` is 0 while it is unknown.
    message : str
        What is being done, for a person. Empty where nothing need be said.
    kind : str
        What `values` holds, e.g. "step", "epoch", "sample", "problem", "result".
    values : dict
        Small results of this step: numbers, strings, paths, arrays.
    """

    done: int
    total: int
    message: str = ""
    kind: str = "step"
    values: dict[str, Any] = field(default_factory=dict)


def problem(sample_id: str, text: str, done: int, total: int) -> Progress:
    """Say that a sample cannot be used, and why; the job goes on."""
    return Progress(done, total, text, "problem", {"id": sample_id, "error": text})
