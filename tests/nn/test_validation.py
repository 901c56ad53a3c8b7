from __future__ import annotations

import pytest
from squares import squares

from napari_nucleiseg.metrics import scores
from napari_nucleiseg.nn.augment import example
from napari_nucleiseg.nn.validation import by_modality


@pytest.mark.parametrize(
    ("modalities", "groups"),
    [(("", ""), ["all"]), (("", "stained"), ["all", "stained"])],
)
def test_images_of_unknown_kind_are_scored_among_all_alone(
    modalities: tuple[str, ...], groups: list[str]
) -> None:
    labels = squares((64, 64), (5, 5))
    image = (labels * 200).astype("uint8")
    examples = [example("a", image, labels, each) for each in modalities]
    found = by_modality([scores(labels, labels)] * len(examples), examples)
    assert found == {each: [1.0, 1.0, 1.0] for each in groups}
