from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from napari_nucleiseg.engine_wire import (
    progress_from_message,
    progress_to_message,
    read_message,
    write_message,
)
from napari_nucleiseg.progress import Progress


def sent(message: dict) -> bytes:
    stream = io.BytesIO()
    write_message(stream, message)
    return stream.getvalue()


def test_messages_arrive_one_by_one_and_then_none() -> None:
    stream = io.BytesIO(sent({"a": [1, 2.5, None]}) + sent({"b": "µm"}))
    assert read_message(stream) == {"a": [1, 2.5, None]}
    assert read_message(stream) == {"b": "µm"}
    assert read_message(stream) is None


@pytest.mark.parametrize("length", [1, 4, 9])
def test_a_message_cut_short_is_the_end(length: int) -> None:
    assert read_message(io.BytesIO(sent({"a": "long enough"})[:length])) is None


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xffgarbage", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x03a=b"]
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"message|Expecting"):
        read_message(io.BytesIO(data))


def test_progress_crosses_with_paths_as_strings_and_numbers_as_numbers() -> None:
    step = Progress(2, 5, "two", "epoch", {"model": Path("a/b"), "loss": np.float32(0.25)})
    message = read_message(io.BytesIO(sent(progress_to_message(step, job=3))))
    assert message is not None
    assert message["job"] == 3
    expected = Progress(2, 5, "two", "epoch", {"model": str(Path("a/b")), "loss": 0.25})
    assert progress_from_message(message) == expected


def test_an_array_is_refused_by_its_name() -> None:
    with pytest.raises(TypeError, match="ndarray"):
        write_message(io.BytesIO(), {"image": np.zeros(2)})
