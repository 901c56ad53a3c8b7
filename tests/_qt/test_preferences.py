"""The plugin's part of napari's Preferences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from napari._qt.dialogs.preferences_dialog import PreferencesDialog
from napari.settings import get_plugin_settings
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel

from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.preferences import PLUGIN, Display, display


@pytest.fixture
def chosen(viewer: Any) -> Iterator[Any]:
    """The settings as the dialog changes them."""
    settings = get_plugin_settings(PLUGIN).display
    yield settings
    for name, value in vars(Display()).items():
        setattr(settings, name, value)


def test_the_manifest_has_the_defaults_of_the_program(chosen: Any) -> None:
    assert display() == Display()


def test_what_is_chosen_shows_on_the_next_sample(
    viewer: Any, chosen: Any, squares_folder: Path, qtbot: QtBot
) -> None:
    chosen.opacity, chosen.contour, chosen.brush_size = 0.25, 2, 33
    layers = layers_for(viewer)
    layers.session.open_dataset(squares_folder)
    layers.session.select("a")
    qtbot.waitUntil(lambda: layers.labels_layer is not None)
    layer = layers.labels_layer
    assert (layer.opacity, layer.contour, layer.brush_size) == (0.25, 2, 33)


def test_the_dialog_offers_them(viewer: Any, qtbot: QtBot) -> None:
    dialog = PreferencesDialog()
    qtbot.addWidget(dialog)
    texts = {each.text() for each in dialog.findChildren(QLabel)}
    assert {"Opacity", "Outline width", "Brush size"} <= texts
