from __future__ import annotations

import sys

import pytest

from napari_nucleiseg._qt.key_button import KeyButton, KeyCap, native
from napari_nucleiseg._qt.key_groups import columns


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has signs for its keys")
def test_keys_are_shown_by_their_names(viewer) -> None:
    keys = [key for groups in columns() for _title, rows in groups for key, _meaning in rows]
    assert {"Ctrl+Z", "Shift+K", "?", "Enter"} <= set(keys)
    assert [native(key) for key in keys] == keys


def test_a_button_shows_its_key_and_names_it_in_its_tip(qtbot) -> None:
    button = KeyButton("Undo", "Ctrl+Z", "Take back the last change.")
    qtbot.addWidget(button)
    (cap,) = button.findChildren(KeyCap)
    assert cap.text() == native("Ctrl+Z")
    assert button.toolTip() == f"Take back the last change.\n\nKey: {native('Ctrl+Z')}"
