"""The keys work wherever the focus is, as long as no text is being typed."""

from __future__ import annotations

from collections.abc import Iterator

import napari
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractSpinBox, QLineEdit, QWidget

from napari_nucleiseg._qt.docks import show_dock
from napari_nucleiseg._qt.layers import SampleLayers

DOCKS = "Dataset", "Segment", "Correct", "Train", "Evaluate"


def takers(dock: QWidget) -> Iterator[QWidget]:
    """Find what takes the focus, but for the fields in which one types."""
    for each in dock.findChildren(QWidget):
        is_field = isinstance(each, (QLineEdit, QAbstractSpinBox))
        is_in_dock = each.window() is dock.window()  # unlike the list of a combo box
        takes = each.focusPolicy() != Qt.FocusPolicy.NoFocus and each.focusProxy() is None
        if takes and is_in_dock and not is_field:
            yield each


@pytest.mark.parametrize("name", DOCKS)
def test_w_goes_on_from_all_that_takes_the_focus(
    viewer: napari.Viewer, shown: SampleLayers, name: str
) -> None:
    dock = show_dock(viewer, name)
    found = list(takers(dock))
    assert len(found) > 3
    for each in found:
        shown.session.select("a")
        QTest.keyClick(each, Qt.Key.Key_W)
        where = type(each).__name__, each.parent()
        assert shown.session.sample.id == "b", where
