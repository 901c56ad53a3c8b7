from __future__ import annotations

from pathlib import Path

import pytest

from napari_nucleiseg.json_files import read_json, write_json


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"nuclei": [1, None]})
    assert read_json(tmp_path / "a.json") == {"nuclei": [1, None]}


@pytest.mark.parametrize("content", [None, b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_nothing(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    assert read_json(tmp_path / "a.json") is None
