from __future__ import annotations

from pytestqt.qtbot import QtBot

from napari_nucleiseg._qt.device_badge import DeviceBadge


def test_device_and_reason_are_shown_and_the_whole_reason_is_in_the_tooltip(qtbot: QtBot) -> None:
    badge = DeviceBadge()
    qtbot.addWidget(badge)
    reason = "CUDA did not start (" + "libcudnn.so.9 is missing, " * 20 + "): the CPU is used."
    badge.show_device("CPU", reason)
    assert badge.name.text() == "CPU"
    assert badge.reason.text().startswith("CUDA did not start (libcudnn.so.9")
    assert len(badge.reason.text()) < 150
    assert badge.toolTip() == reason


def test_a_graphics_card_looks_different(qtbot: QtBot) -> None:
    badge = DeviceBadge()
    qtbot.addWidget(badge)
    badge.show_device("CPU", "x")
    plain = badge.name.styleSheet()
    badge.show_device("CUDA", "x")
    assert badge.name.styleSheet() != plain
