"""What a tool waits for, from the first click to the edit. No window, no layer: only pixels.

A gesture is fed points of a plane, until it gives an `Outcome`. Points that do not fit raise
`BadInput` with a sentence for the person, and the gesture waits on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from napari_nucleiseg import edits, shapes
from napari_nucleiseg.edits import Edit
from napari_nucleiseg.errors import BadInput

Point = tuple[float, float]

# Corners of a line closer than this [px] are one corner: a hand that trembles.
_STEP = 0.5


@dataclass(frozen=True, eq=False)
class Evidence:
    """What there is to find a nucleus in: (H, W) or (H, W, C) image, (H, W, 3) maps."""

    image: np.ndarray | None = None
    maps: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """What a gesture acts on: (H, W) labels, and the evidence, read when it is asked for."""

    labels: np.ndarray
    evidence: Callable[[], Evidence] = Evidence


@dataclass(frozen=True, eq=False)
class Outcome:
    """The edit of a finished gesture, and what it did, for a person.

    Attributes
    ----------
    edit : Edit
    text : str
    odd : str
        What makes a slip likely, to follow the text; "" for nothing.
    """

    edit: Edit
    text: str
    odd: str = ""


class Gesture:
    """What a tool waits for.

    Attributes
    ----------
    expects : str
        What the person should do next.
    chosen : int
        Id of the nucleus that was chosen already; 0 for none.
    line : list of (y, x)
        The line drawn so far.
    draws : bool
        True where a drag draws the line rather than moves the camera.
    dragging : bool
        Set while the mouse draws.
    """

    expects = ""
    draws = False

    def __init__(self) -> None:
        self.dragging = False
        self.chosen = 0
        self.line: list[Point] = []

    def click(self, scene: Scene, point: Point) -> Outcome | None:
        """Take a click; None where more is needed."""
        raise NotImplementedError

    def finish(self, scene: Scene) -> Outcome | None:
        """Take the Enter key, or the end of a drawn line."""
        return None


class OnNucleus(Gesture):
    """One click on one nucleus."""

    def __init__(self, verb: str, done: str, edit: Callable[[np.ndarray, int], Edit]) -> None:
        super().__init__()
        self.expects = f"Click the nucleus to {verb}"
        self._done = done
        self._edit = edit

    def click(self, scene: Scene, point: Point) -> Outcome:
        nucleus = self._find(scene.labels, point)
        edit = self._edit(scene.labels, nucleus)
        return Outcome(edit, self._done.format(id=nucleus, ids=_listed(edit.touched)))

    def _find(self, labels: np.ndarray, point: Point) -> int:
        return nucleus_at(labels, point)


class OnHoles(OnNucleus):
    """One click on a nucleus with holes, or on one of its holes."""

    def _find(self, labels: np.ndarray, point: Point) -> int:
        return nucleus_around(labels, point) or nucleus_at(labels, point)


class Joining(Gesture):
    """A click on one nucleus, and one on another."""

    @property
    def expects(self) -> str:  # type: ignore[override]
        if self.chosen:
            return f"Click the nucleus to join with {self.chosen}"
        return "Click the first of two nuclei to join"

    def click(self, scene: Scene, point: Point) -> Outcome | None:
        nucleus = nucleus_at(scene.labels, point)
        if not self.chosen:
            self.chosen = nucleus
            return None
        if nucleus == self.chosen:
            raise BadInput(f"This is nucleus {nucleus} again; click the one to join it with.")
        edit = edits.merge(scene.labels, self.chosen, nucleus)
        touch = edits.are_joined(scene.labels, edit, self.chosen, nucleus)
        odd = "" if touch else "though they do not touch"
        return Outcome(edit, f"Nuclei {self.chosen} and {nucleus} joined", odd)


class Cutting(Gesture):
    """A line: drawn in one drag, or by clicks on its corners and Enter.

    It cuts the nucleus that was chosen when it began, if it crosses that, else the one of
    which it crosses most.
    """

    draws = True

    @property
    def expects(self) -> str:  # type: ignore[override]
        if self.dragging:
            return "Release to cut"
        if len(self.line) > 1:
            return "Click the next corner, or press Enter to cut"
        if self.line:
            return "Click the other end of the cut"
        return "Draw a line across the nucleus (drag, or click the ends and press Enter)"

    def choose(self, scene: Scene, point: Point) -> None:
        """Take the nucleus under the pointer where the tool was started, if there is one."""
        self.chosen = id_at(scene.labels, point)

    def click(self, scene: Scene, point: Point) -> None:
        if not self.line or np.abs(np.subtract(point, self.line[-1])).max() >= _STEP:
            self.line.append(point)

    def finish(self, scene: Scene) -> Outcome:
        line, self.line = np.array(self.line, float).reshape(-1, 2), []
        nucleus = crossed(scene.labels, line, self.chosen)
        edit = edits.split_by_line(scene.labels, nucleus, line)
        return Outcome(edit, f"Nucleus {nucleus} cut into {_listed(edit.touched)}")


class Adding(Gesture):
    """One click on a nucleus that has no label yet."""

    expects = "Click a nucleus that is not outlined yet"

    def click(self, scene: Scene, point: Point) -> Outcome:
        seen = scene.evidence()
        if seen.maps is None and seen.image is None:
            raise BadInput("There is no image to find a nucleus in; paint it with the brush.")
        edit = edits.grow_from_click(scene.labels, point, maps=seen.maps, image=seen.image)
        return Outcome(edit, f"Nucleus {_listed(edit.touched)} added ({len(edit.values)} px²)")


def id_at(labels: np.ndarray, point: Point) -> int:
    """Id at a point; 0 on the background and outside."""
    row, column = (round(at) for at in point)
    inside = 0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]
    return int(labels[row, column]) if inside else 0


def nucleus_at(labels: np.ndarray, point: Point) -> int:
    """Id at a point.

    Raises
    ------
    BadInput
        If there is none.
    """
    nucleus = id_at(labels, point)
    if not nucleus:
        raise BadInput("There is no nucleus under the pointer; point at one.")
    return nucleus


def nucleus_around(labels: np.ndarray, point: Point) -> int:
    """Id of the nucleus in a hole of which a point lies; 0 for none."""
    row, column = (round(at) for at in point)
    inside = 0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]
    if not inside or labels[row, column]:
        return 0
    across, along = labels[row], labels[:, column]
    sides = across[:column], across[column:], along[:row], along[row:]
    # What encloses a point is met on all four sides of it.
    for nucleus in set.intersection(*(set(side[side > 0].tolist()) for side in sides)):
        if shapes.holes(labels == nucleus)[row, column]:
            return nucleus
    return 0


def crossed(labels: np.ndarray, line: np.ndarray, preferred: int = 0) -> int:
    """Find the nucleus that a line (n, 2) crosses, the preferred one if it does.

    A line that crosses none is taken for the preferred one: it may part two pieces.

    Raises
    ------
    BadInput
        If it crosses none and none is preferred.
    """
    ids, counts = np.unique(_ids_along(labels, line), return_counts=True)
    ids, counts = ids[ids > 0], counts[ids > 0]
    if preferred and (preferred in ids or not len(ids)):
        return preferred
    if not len(ids):
        raise BadInput("The line crosses no nucleus; draw it from one side of one to the other.")
    return int(ids[np.argmax(counts)])


def _ids_along(labels: np.ndarray, line: np.ndarray) -> np.ndarray:
    pieces = []
    for start, end in pairwise(line):
        steps = 2 * int(np.ceil(np.abs(end - start).max())) + 1
        pieces.append(np.linspace(start, end, steps))
    if not pieces:
        return np.zeros(0, labels.dtype)
    points = np.rint(np.concatenate(pieces)).astype(int)
    inside = ((points >= 0) & (points < labels.shape)).all(axis=1)
    return labels[tuple(points[inside].T)]


def _listed(ids: tuple[int, ...]) -> str:
    names = [str(each) for each in ids]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
