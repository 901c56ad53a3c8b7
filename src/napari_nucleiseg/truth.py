"""Which samples have a truth to learn from and to be judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from napari_nucleiseg.sample import Sample
from napari_nucleiseg.state import SampleState, Status

_UNREAD = SampleState()


class Truth(StrEnum):
    """Where the truth of a sample comes from."""

    APPROVED = "approved"
    CORRECTED = "corrected"
    ANNOTATED = "annotated"
    NONE = "none"


def truth_of(sample: Sample, state: SampleState) -> Truth:
    """Say whether a sample has a truth, and whose.

    Predictions that nobody looked at are none.

    Parameters
    ----------
    sample : Sample
    state : SampleState

    Returns
    -------
    Truth
        `ANNOTATED` where masks came with the dataset and no hand has changed them.
    """
    if state.status is Status.APPROVED:
        return Truth.APPROVED
    if state.status is Status.CORRECTED:
        return Truth.CORRECTED
    return Truth.ANNOTATED if sample.mask_paths else Truth.NONE


@dataclass(frozen=True)
class Truths:
    """The samples of a dataset by the truth they have.

    Attributes
    ----------
    approved, corrected, annotated, none : tuple of Sample
    """

    approved: tuple[Sample, ...] = ()
    corrected: tuple[Sample, ...] = ()
    annotated: tuple[Sample, ...] = ()
    none: tuple[Sample, ...] = ()

    @property
    def by_hand(self) -> tuple[Sample, ...]:
        """Those that a person here approved or corrected."""
        return self.approved + self.corrected

    @property
    def all(self) -> tuple[Sample, ...]:
        """All that have a truth."""
        return self.by_hand + self.annotated


def sort_by_truth(samples: Iterable[Sample], states: Mapping[str, SampleState]) -> Truths:
    """Sort samples by their truth.

    Parameters
    ----------
    samples : iterable of Sample
    states : mapping of str to SampleState
        By sample id; a sample that is not in it counts as never touched.
    """
    found: dict[Truth, list[Sample]] = {each: [] for each in Truth}
    for sample in samples:
        found[truth_of(sample, states.get(sample.id, _UNREAD))].append(sample)
    return Truths(**{truth.value: tuple(those) for truth, those in found.items()})


_MOST_NAMED = 3


def note_empty(ids: Sequence[str]) -> str:
    """Say which samples have a truth without any nucleus; empty where there are none.

    They are learned from and judged by like the others: no nucleus is a truth, too, and a
    person should know of one that is there by mistake.
    """
    if not ids:
        return ""
    named = ", ".join(ids[:_MOST_NAMED])
    if len(ids) == 1:
        return f"1 image has no nuclei in its masks ({named}): it counts as empty."
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return f"{len(ids)} images have no nuclei in their masks ({named}{more}): they count as empty."
