"""A handful of scores side by side."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget


class ScoreGrid(QWidget):
    """Names of scores above their values.

    Parameters
    ----------
    scores : sequence of (name, tooltip)
    columns : int
        Scores in one row.
    """

    def __init__(
        self,
        scores: Sequence[tuple[str, str]],
        columns: int = 4,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.values: dict[str, QLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(0)
        for place, (name, tooltip) in enumerate(scores):
            row, column = divmod(place, columns)
            title, value = QLabel(name), QLabel("–")
            value.setStyleSheet("font-weight: bold;")
            for each, line in ((title, 2 * row), (value, 2 * row + 1)):
                each.setToolTip(tooltip)
                each.setAlignment(Qt.AlignmentFlag.AlignHCenter)
                grid.addWidget(each, line, column)
            self.values[name] = value

    def show_values(self, values: dict[str, str]) -> None:
        """Show values by name; those that are not named become a dash."""
        for name, label in self.values.items():
            label.setText(values.get(name, "–"))
