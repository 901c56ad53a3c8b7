"""The tools of correction: their names, keys and tips, and what each waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from napari_nucleiseg import edits
from napari_nucleiseg._qt.gestures import (
    Adding,
    Cutting,
    Gesture,
    Joining,
    OnHoles,
    OnNucleus,
)


@dataclass(frozen=True)
class Tool:
    """One way to correct labels.

    Attributes
    ----------
    name : str
    key : str
        As napari spells it; it acts where the pointer is.
    label : str
        A few words for a button.
    tip : str
        One sentence on what it does.
    gesture : callable
        Makes what the tool waits for.
    """

    name: str
    key: str
    label: str
    tip: str
    gesture: Callable[[], Gesture]


# The keys are free on Labels and on Image layers of napari 0.6 to 0.9, so that they work
# whichever of the two is selected.
TOOLS = (
    Tool(
        "delete",
        "D",
        "Delete",
        "Delete the nucleus under the pointer.",
        partial(OnNucleus, "delete", "Nucleus {id} deleted", edits.delete),
    ),
    Tool(
        "add",
        "N",
        "Add",
        "Find a new nucleus under the pointer: in the network's maps, else in the image.",
        Adding,
    ),
    Tool(
        "join",
        "J",
        "Join",
        "Join the nucleus under the pointer with the next one that you click.",
        Joining,
    ),
    Tool(
        "cut",
        "K",
        "Cut",
        "Cut a nucleus in two along a line that you draw across it.",
        Cutting,
    ),
    Tool(
        "fill",
        "H",
        "Fill holes",
        "Fill the holes of the nucleus under the pointer.",
        partial(OnHoles, "fill", "Holes of nucleus {id} filled", edits.fill_holes),
    ),
    Tool(
        "smooth",
        "R",
        "Smooth",
        "Round off the outline of the nucleus under the pointer.",
        partial(OnNucleus, "smooth", "Nucleus {id} smoothed", edits.smooth),
    ),
    Tool(
        "waist",
        "Shift+K",
        "Cut at waist",
        "Cut the nucleus under the pointer where it is narrowest.",
        partial(OnNucleus, "cut at its waist", "Nucleus {id} cut into {ids}", edits.split_at_waist),
    ),
)
