"""All keys that matter while labels are corrected, in the groups of the card."""

from __future__ import annotations

from napari_nucleiseg._qt import doubts_list, napari_keys
from napari_nucleiseg._qt.key_card import KEY, Group
from napari_nucleiseg._qt.keys import KEYS
from napari_nucleiseg._qt.tool_list import TOOLS


def columns() -> list[list[Group]]:
    """Give the columns of the card, from left to right."""
    return [[_tools()], [_doubts(), _sample(), _card()], [_napari()]]


def _tools() -> Group:
    return "With the pointer on a nucleus", [(tool.key, tool.label) for tool in TOOLS]


def _doubts() -> Group:
    rows = [
        (doubts_list.NEXT, "Next doubtful nucleus"),
        (doubts_list.PREVIOUS, "The one before"),
        (doubts_list.DISMISS, "It looks right"),
        (doubts_list.BRING_BACK, "Bring it back"),
    ]
    return "Doubts", rows


def _sample() -> Group:
    return "Dataset", [(key, text.capitalize()) for key, text in KEYS.items()]


def _card() -> Group:
    return "Everywhere", [("Esc", "Leave a tool"), ("Enter", "Finish a cut"), (KEY, "This card")]


def _napari() -> Group:
    own = (
        (napari_keys.PAN_ZOOM, "Move the image"),
        (napari_keys.BRUSH, "Brush"),
        (napari_keys.ERASER, "Eraser"),
        (napari_keys.FILL, "Fill"),
        (napari_keys.PICK, "Pick a label"),
        (napari_keys.NEW_LABEL, "New label"),
        (napari_keys.SMALLER_BRUSH, "Smaller brush"),
        (napari_keys.LARGER_BRUSH, "Larger brush"),
    )
    rows = [(napari_keys.key_of(action), text) for action, text in own]
    return "Paint (napari)", [*rows, ("Ctrl+Z", "Undo"), ("Ctrl+Shift+Z", "Redo")]
