"""JSON files of the program's own, where nobody but the program writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_nucleiseg.atomic import write_bytes_atomically


def read_json(path: Path) -> Any:
    """Read a JSON file; None if it cannot be read or is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all.

    Raises
    ------
    SaveFailed
        If the disk does not take it.
    """
    write_bytes_atomically(path, json.dumps(content, indent=1).encode())
