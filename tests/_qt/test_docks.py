"""The docks as napari offers them: Plugins, the Layers menus, and the start of napari."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from napari._app_model import get_app_model
from qtpy.QtWidgets import QApplication

from napari_nucleiseg._qt.docks import PLUGIN, dataset_dock, show_dock
from napari_nucleiseg._qt.layers import layers_for

DOCKS = ("Dataset", "Segment", "Correct", "Train", "Evaluate")
HEAVY = ("tensorflow", "keras", "onnxruntime", "cv2")


@pytest.mark.parametrize("name", DOCKS)
def test_a_dock_opens_from_the_plugins_menu(viewer: Any, name: str) -> None:
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    assert type(widget).__name__ == f"{name}Dock"
    assert dock.windowTitle() == name, "five tabs side by side have no room for more"


@pytest.mark.parametrize("name", DOCKS)
def test_a_dock_that_is_open_is_shown_again(viewer: Any, name: str) -> None:
    assert show_dock(viewer, name) is show_dock(viewer, name)


def test_all_docks_share_what_they_show(viewer: Any) -> None:
    dock = dataset_dock(viewer)
    assert dock.layers is layers_for(viewer)
    assert show_dock(viewer, "Segment")._layers is dock.layers
    assert show_dock(viewer, "Correct")._layers is dock.layers


@pytest.mark.parametrize(
    ("menu", "names"),
    [
        ("napari/layers/segment", {"dataset", "segment", "train", "evaluate"}),
        ("napari/layers/annotate", {"dataset", "correct"}),
    ],
)
def test_the_layers_menus_offer_them(viewer: Any, menu: str, names: set[str]) -> None:
    items = get_app_model().menus.get_menu(menu)
    commands = {item.command.id for item in items if hasattr(item, "command")}
    assert {f"{PLUGIN}.{name}" for name in names} <= commands


def test_the_start_of_napari_imports_nothing_heavy_of_ours(qapp: QApplication) -> None:
    code = (
        "import sys, napari, npe2; napari.Viewer(show=False); "
        f"assert {PLUGIN!r} in npe2.PluginManager.instance(); print(*sys.modules)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ
    ).stdout.split()
    assert "napari_nucleiseg" not in printed
    assert not set(HEAVY) & set(printed)
