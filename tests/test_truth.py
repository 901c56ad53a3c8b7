from __future__ import annotations

from pathlib import Path

from napari_nucleiseg.sample import Sample
from napari_nucleiseg.state import SampleState, Status
from napari_nucleiseg.truth import note_empty, sort_by_truth


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


def test_images_without_nuclei_are_named_up_to_three() -> None:
    assert note_empty([]) == ""
    assert note_empty(["a"]) == "1 image has no nuclei in its masks (a): it counts as empty."
    three = "3 images have no nuclei in their masks (a, b, c): they count as empty."
    assert note_empty(list("abc")) == three
    assert "(a, b, c and 2 more)" in note_empty(list("abcde"))
