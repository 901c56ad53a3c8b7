from __future__ import annotations

import gc

import numpy as np
import pytest
from napari.layers import Image
from pytestqt.qtbot import QtBot

from napari_nucleiseg._qt.source_box import Source, SourceBox


@pytest.fixture
def box(qtbot: QtBot) -> SourceBox:
    box = SourceBox()
    qtbot.addWidget(box)
    return box


def grey(name: str) -> Image:
    return Image(np.zeros((4, 4)), name=name)


def test_nothing_is_chosen_where_there_is_nothing(box: SourceBox) -> None:
    box.show_choices("", 0, [])
    assert box.source is None
    assert box.layer is None


def test_the_sample_comes_first_then_layers_then_the_dataset(box: SourceBox) -> None:
    layer = grey("mine")
    box.show_choices("", 7, [])
    assert box.source is Source.DATASET
    box.show_choices("", 7, [layer])
    assert box.layer is layer
    box.show_choices("s1", 7, [layer])
    assert box.source is Source.SAMPLE
    assert [box.box.itemText(row) for row in range(3)] == [
        "This image: s1", "Layer: mine", "Whole dataset (7)",
    ]  # fmt: skip


def test_what_was_picked_stays_while_it_is_there(box: SourceBox) -> None:
    one, other = grey("one"), grey("other")
    box.show_choices("s1", 7, [one, other])
    box.choose_layer(other)
    box.show_choices("s2", 7, [other])
    assert box.layer is other
    box.show_choices("s2", 7, [one])
    assert box.source is Source.SAMPLE


def test_a_layer_that_is_left_gives_way_to_the_sample(box: SourceBox) -> None:
    layer = grey("mine")
    box.show_choices("s1", 7, [layer])
    box.choose_layer(layer)
    box.leave_layer()
    assert box.source is Source.SAMPLE
    box.box.setCurrentIndex(2)
    box.leave_layer()
    assert box.source is Source.DATASET


def test_channels_are_offered_for_colour_only(box: SourceBox) -> None:
    colour = Image(np.zeros((4, 4, 3)), name="colour", rgb=True)
    box.show_choices("", 0, [grey("grey"), colour])
    assert box.channel_box.isHidden()
    box.choose_layer(colour)
    assert not box.channel_box.isHidden()
    assert box.channel is None
    box.channel_box.setCurrentText("green")
    assert box.channel == 1
    box.box.setCurrentIndex(0)
    assert box.channel is None


def test_it_keeps_no_layer_alive(box: SourceBox) -> None:
    layer = grey("mine")
    box.show_choices("", 0, [layer])
    box.choose_layer(layer)
    del layer
    gc.collect()
    assert box.layer is None


def test_changes_are_told(box: SourceBox) -> None:
    told: list[Source | None] = []
    box.changed.connect(lambda: told.append(box.source))
    box.show_choices("s1", 3, [])
    box.box.setCurrentIndex(1)
    assert told == [Source.SAMPLE, Source.DATASET]
