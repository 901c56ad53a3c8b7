"""Samples that are shown in a viewer, for the window tests."""

from __future__ import annotations

from typing import Any

from pytestqt.qtbot import QtBot

from napari_nucleiseg._qt.layers import SampleLayers
from napari_nucleiseg.sample import Sample

FIRST, SECOND = 0, 1


def show(qtbot: QtBot, layers: SampleLayers, place: int) -> Sample:
    """Show the sample at a place of the dataset, and wait for it."""
    sample: Sample = layers.session.dataset.samples[place]
    layers.session.select(sample.id)
    qtbot.waitUntil(lambda: layers.sample is sample and not layers.is_loading)
    return sample


def show_again(qtbot: QtBot, layers: SampleLayers, sample: Sample) -> None:
    """Read the sample that is shown once more."""
    before = layers.labels_layer
    layers.session.select(sample.id)
    qtbot.waitUntil(lambda: layers.labels_layer not in (None, before) and not layers.is_loading)


def paint(layers: SampleLayers, point: tuple[int, int], label: int, size: int = 5) -> None:
    """Paint a dot with the brush of the Labels layer."""
    layer: Any = layers.labels_layer
    layer.brush_size = size
    layer.selected_label = label
    layer.mode = "paint"
    layer.paint(point, label)
