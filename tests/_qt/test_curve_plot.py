from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtGui import QColor, QImage

from napari_nucleiseg._qt.curve_plot import COLOURS, CurvePlot


@pytest.fixture
def plot(qtbot: QtBot) -> CurvePlot:
    plot = CurvePlot(["AP .5", "mean AP"], 0.0, 1.0)
    qtbot.addWidget(plot)
    plot.resize(300, 120)
    plot.show()
    return plot


def drawn(plot: CurvePlot, colour: str) -> np.ndarray:
    """(n, 2) y, x of the pixels of exactly this colour."""
    image = plot.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    wanted = QColor(colour).rgb()
    size = range(image.height()), range(image.width())
    return np.array([(y, x) for y in size[0] for x in size[1] if image.pixel(x, y) == wanted])


def test_a_curve_goes_from_left_to_right_and_up(plot: CurvePlot) -> None:
    plot.clear(100)
    for step in range(0, 101, 10):
        plot.add("mean AP", step, step / 100)
    line = drawn(plot, COLOURS[1])
    line = line[line[:, 0] > 25]  # below the name, which has the same colour
    assert np.corrcoef(line[:, 1], line[:, 0])[0, 1] < -0.9
    assert np.ptp(line[:, 1]) > 200


def test_an_empty_plot_and_one_point_are_drawn(plot: CurvePlot) -> None:
    plot.clear(10)
    assert not plot.grab().isNull()
    plot.add("AP .5", 5, 0.5)
    assert len(drawn(plot, COLOURS[0]))


def test_what_is_not_finite_is_left_out(qtbot: QtBot) -> None:
    plot = CurvePlot(["loss"])
    qtbot.addWidget(plot)
    assert plot.range == (0.0, 1.0)
    for step, value in enumerate([2.0, float("nan"), float("inf"), 0.5]):
        plot.add("loss", step, value)
    assert plot.range == (0.5, 2.0)
    plot.clear(5)
    assert plot.points == {"loss": []}
