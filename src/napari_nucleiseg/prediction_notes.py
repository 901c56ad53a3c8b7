"""What stands in the header of a label image that a model made: which model, image, settings.

By it a prediction is told from what a person drew. A program that saves the file again
leaves the note out: what it writes then counts as a person's.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from napari_nucleiseg.label_files import is_marked

# tifffile puts the description right behind the tags, where 182 bytes are past.
_HEAD = 4096
_BEGIN = '{"model": '


@dataclass(frozen=True)
class PredictionNote:
    """What is known of a prediction.

    Attributes
    ----------
    model : str
        Name of the model.
    image_sha256 : str
        Hash of the image's file; "" where it is not told.
    settings : str
        Short hash of all else that decides the labels; "" where it is not told, as in notes
        of before.
    """

    model: str
    image_sha256: str = ""
    settings: str = ""


def encode_note(note: PredictionNote) -> str:
    """Return a note as one line of ASCII, for the description of a label image."""
    return json.dumps(asdict(note))


def read_note(path: Path) -> PredictionNote | None:
    """Read the note of a label image; None where this program has predicted none there.

    Only the file's head is read, so that thousands can be asked.
    """
    try:
        if not os.path.isfile(path):  # a pipe would block for ever
            return None
        with path.open("rb") as file:
            head = file.read(_HEAD).decode("ascii", "replace")
    except OSError:
        return None
    begin = head.find(_BEGIN)
    if begin < 0 or not is_marked(path):
        return None
    try:
        values = json.JSONDecoder().raw_decode(head, begin)[0]
    except (ValueError, RecursionError):
        return None
    others = (str(values.get(name, "")) for name in ("image_sha256", "settings"))
    return PredictionNote(str(values["model"]), *others)
