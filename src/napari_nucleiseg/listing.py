"""Which samples of a dataset a list shows, in which order, and what it says of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from napari_nucleiseg.sample import Sample
from napari_nucleiseg.session import Session
from napari_nucleiseg.state import Status


class Shown(StrEnum):
    """A sample's status as the list shows it, from the least to the most complete."""

    UNLABELLED = "unlabelled"
    PREDICTED = "predicted"
    ANNOTATED = "annotated"
    """Came with masks, and was not touched here."""
    CORRECTED = "corrected"
    APPROVED = "approved"


ORDERS = ("name", "status", "nuclei", "modality")


@dataclass(frozen=True)
class Query:
    """What of a dataset is listed.

    Attributes
    ----------
    text : str
        Part of the id; "" for all.
    status, modality : str
        One of them alone; "" for all.
    order : str
        One of `ORDERS`; samples that are equal in it stay in the dataset's order.
    descending : bool
    """

    text: str = ""
    status: str = ""
    modality: str = ""
    order: str = "name"
    descending: bool = False


def shown_status(session: Session, sample: Sample) -> Shown:
    """Give the status to show; before it was read, what the files tell."""
    status = session.state_of(sample).status
    if status is Status.UNLABELLED and sample.mask_paths:
        return Shown.ANNOTATED
    return Shown(status.value)


def known_count(session: Session, sample: Sample) -> int | None:
    """Give the number of nuclei, if it is known without reading a file."""
    known = session.counts.get(sample.id)
    if known is None and sample.layout == "kaggle" and shown_status(session, sample) == "annotated":
        return len(sample.mask_paths)
    return known


def chosen(session: Session, samples: Sequence[Sample], query: Query) -> list[int]:
    """List the places of the samples that a query asks for, in its order."""
    text = query.text.casefold()
    places = [
        place
        for place, sample in enumerate(samples)
        if (not text or text in sample.id.casefold())
        and (not query.modality or sample.modality == query.modality)
        and (not query.status or shown_status(session, sample) == query.status)
    ]
    key = _KEYS.get(query.order)
    if key is not None:
        places.sort(key=lambda place: key(session, samples[place]), reverse=query.descending)
    elif query.descending:
        places.reverse()
    return places


def _by_count(session: Session, sample: Sample) -> int:
    count = known_count(session, sample)
    return -1 if count is None else count


_STEPS = {status: step for step, status in enumerate(Shown)}
_KEYS: dict[str, Callable[[Session, Sample], Any]] = {
    "status": lambda session, sample: _STEPS[shown_status(session, sample)],
    "nuclei": _by_count,
    "modality": lambda session, sample: sample.modality,
}


def count_statuses(session: Session, samples: Sequence[Sample]) -> Counter[Shown]:
    """Count the samples of each status."""
    return Counter(shown_status(session, sample) for sample in samples)
