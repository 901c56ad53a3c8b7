from __future__ import annotations

from pathlib import Path

from napari_nucleiseg.sample import Sample
from napari_nucleiseg.state import SampleState, Status
from napari_nucleiseg.truth import sort_by_truth


def sample(name: str, *, masks: bool = False) -> Sample:
    paths = (Path(name) / "mask.png",) if masks else ()
    return Sample(name, Path(name), paths, "kaggle", Path(name))


def test_predictions_that_nobody_looked_at_have_no_truth() -> None:
    samples = [sample("a"), sample("b", masks=True), sample("c"), sample("d", masks=True),
               sample("e"), sample("f")]  # fmt: skip
    states = {
        "a": SampleState(Status.PREDICTED),
        "c": SampleState(Status.CORRECTED),
        "d": SampleState(Status.APPROVED),
        "e": SampleState(Status.UNLABELLED),
    }
    truths = sort_by_truth(samples, states)
    names = ("approved", "corrected", "annotated", "none", "by_hand", "all")
    ids = {name: "".join(each.id for each in getattr(truths, name)) for name in names}
    assert ids == {"approved": "d", "corrected": "c", "annotated": "b", "none": "aef",
                   "by_hand": "dc", "all": "dcb"}  # fmt: skip


def test_a_prediction_beside_masks_leaves_the_masks_the_truth() -> None:
    truths = sort_by_truth([sample("a", masks=True)], {"a": SampleState(Status.PREDICTED)})
    assert [each.id for each in truths.annotated] == ["a"]
