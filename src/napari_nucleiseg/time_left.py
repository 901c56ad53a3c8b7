"""How long a job still takes, in words."""

from __future__ import annotations

import time
from collections.abc import Callable


class TimeLeft:
    """Estimates the rest of a job from the steps done so far.

    The first step is not counted: it starts the network.

    Parameters
    ----------
    clock : callable
        Gives the time [s].
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[int, float] | None = None

    def after(self, done: int, total: int) -> str:
        """Say how long the rest takes.

        Parameters
        ----------
        done, total : int
            Steps done and in all.

        Returns
        -------
        str
            E.g. "2 min left"; "" while it is not known, and when all is done.
        """
        now = self._clock()
        if self._first is None:
            if done > 0:
                self._first = done, now
            return ""
        steps = done - self._first[0]
        if steps < 1 or done >= total:
            return ""
        return in_words((now - self._first[1]) / steps * (total - done)) + " left"


def in_words(seconds: float) -> str:
    """Say a duration: "8 s", "12 min" or "3 h 10 min"."""
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"
