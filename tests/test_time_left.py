from __future__ import annotations

import pytest

from napari_nucleiseg.time_left import TimeLeft, in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59, "59 s"), (59.6, "1 min"), (3540, "59 min"), (3600, "1 h 00 min"),
     (11_400, "3 h 10 min")],
)  # fmt: skip
def test_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_the_rest_follows_from_the_steps_after_the_first() -> None:
    seconds = iter([0.0, 30.0, 40.0, 60.0])
    left = TimeLeft(lambda: next(seconds))
    assert left.after(0, 10) == ""
    assert left.after(1, 10) == ""  # 30 s for it: the network started
    assert left.after(2, 10) == "1 min left"  # 8 times 10 s
    assert left.after(10, 10) == ""
