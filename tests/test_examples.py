from __future__ import annotations

from pathlib import Path

import numpy as np
from squares import squares, write_sample
from three_samples import three_samples

from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.examples import note_empty_of, read_examples, typical_diameter
from napari_nucleiseg.label_files import write_label_image
from napari_nucleiseg.nn.augment import NO_NUCLEI, Example
from napari_nucleiseg.progress import Progress


def read(folder: Path) -> tuple[list[Progress], list[Example]]:
    found: list[Example] = []

    def job():
        found.extend((yield from read_examples(read_dataset(folder).samples)))

    return list(job()), found


def test_what_has_masks_becomes_an_example(tmp_path: Path) -> None:
    three_samples(tmp_path)
    write_sample(tmp_path / "d", squares((64, 64), (5, 5)), masks=False)
    steps, examples = read(tmp_path)
    assert [(each.done, each.total, each.kind) for each in steps] == [
        (number, 4, "read") for number in (1, 2, 3, 4)
    ]
    assert [each.id for each in examples] == ["a", "b", "c"]
    assert examples[1].labels[5, 6] == 1
    assert not examples[1].labels[5, 5]


def test_an_image_that_cannot_be_read_is_a_problem_and_the_others_go_on(tmp_path: Path) -> None:
    image = three_samples(tmp_path)[1].image_path
    image.write_bytes(b"not an image")
    steps, examples = read(tmp_path)
    assert [each.kind for each in steps] == ["read", "problem", "read"]
    assert steps[1].values == {"id": "b", "error": steps[1].message}
    assert str(image) in steps[1].message
    assert [each.id for each in examples] == ["a", "c"]


def test_examples_without_nuclei_are_named_once(tmp_path: Path) -> None:
    samples = three_samples(tmp_path)
    write_label_image(samples[1].folder / "labels.tif", np.zeros((64, 64), np.int32))
    _, examples = read(tmp_path)
    assert note_empty_of(examples[:1]) == ""
    assert "(b): it counts as empty" in note_empty_of(examples[:2], examples)


def test_images_without_nuclei_say_nothing_of_the_diameter() -> None:
    assert typical_diameter([40.0, None, 10.0, None, 20.0]) == 20.0
    assert typical_diameter([None]) == typical_diameter([]) == NO_NUCLEI
