"""The gate: old and new model side by side, before the new one is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_nucleiseg._qt.picture import Picture
from napari_nucleiseg._qt.score_table import ScoreTable
from napari_nucleiseg._qt.wrapped_label import WrappedLabel
from napari_nucleiseg.comparison import ENOUGH_FIELDS, SCORES, Comparison, Judged

if TYPE_CHECKING:
    from napari_nucleiseg.models import Model

_BETTER, _WORSE = "#30a46c", "#e5484d"
_COLUMNS = (
    ("Old", ".2f", "Mean AP of the old model."),
    ("New", ".2f", "Mean AP of the new model."),
    ("Gain", "+.2f", "What got worse first."),
)


class Gate(QWidget):
    """Shows a comparison and asks for the verdict.

    Attributes
    ----------
    accepted, refused : Signal()
        The person wants the new model, or keeps the old one.
    chosen : Signal(str)
        Id of the image that the person went to.
    """

    accepted = Signal()
    refused = Signal()
    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.verdict = WrappedLabel(), WrappedLabel()
        self.use, self.keep = QPushButton("Use this model"), QPushButton("Keep the old one")
        self.table = ScoreTable(_COLUMNS)
        self.old_picture, self.new_picture = Picture(), Picture()
        self._judged: dict[str, Judged] = {}
        self.cells: dict[str, tuple[QLabel, QLabel, QLabel]] = {}
        self.scores, self.pictures = self._scores(), self._pictures()
        self._lay_out()
        self.use.clicked.connect(self.accepted)
        self.keep.clicked.connect(self.refused)
        self.table.chosen.connect(self._on_chosen)

    def _lay_out(self) -> None:
        self.table.setMinimumHeight(120)
        self.table.setAccessibleName("Scores of each image")
        buttons = QHBoxLayout()
        buttons.addWidget(self.use)
        buttons.addWidget(self.keep)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(6)
        rows.addWidget(self.title)
        rows.addWidget(self.scores)
        rows.addWidget(self.verdict)
        rows.addWidget(self.table, stretch=1)
        rows.addWidget(self.pictures)
        rows.addStretch()
        rows.addLayout(buttons)

    def _pictures(self) -> QWidget:
        self.table.setToolTip("Click a row to see what both models found, and to open the image.")
        pictures, grid = _grid()
        named = ((self.old_picture, "old"), (self.new_picture, "new"))
        for column, (picture, name) in enumerate(named):
            picture.setToolTip(f"What the {name} model found, in the middle of the image.")
            grid.addWidget(QLabel(name), 0, column)
            grid.addWidget(picture, 1, column)
            grid.setColumnStretch(column, 1)
        return pictures

    def _on_chosen(self, sample_id: str) -> None:
        """Show what both models made of an image, side by side."""
        judged = self._judged.get(sample_id)
        self.old_picture.show_png(judged.old_picture if judged else b"")
        self.new_picture.show_png(judged.new_picture if judged else b"")
        self.chosen.emit(sample_id)

    def _show_images(self, images: Sequence[Judged]) -> None:
        self._judged = {each.sample.id: each for each in images}
        for picture in (self.old_picture, self.new_picture):
            picture.show_png(b"")
        self.table.show_rows(
            [
                (each.sample.id, each.old.mean_ap if each.old else 0.0, each.new.mean_ap, each.gain)
                for each in images
            ]
        )

    def _scores(self) -> QWidget:
        scores, grid = _grid()
        for column, text in enumerate(("", "old", "new", ""), start=0):
            grid.addWidget(_cell(text), 0, column)
        for row, name in enumerate(SCORES, start=1):
            grid.addWidget(QLabel(name), row, 0)
            cells = (_cell(), _cell(), _cell())
            for column, cell in enumerate(cells, start=1):
                grid.addWidget(cell, row, column)
            self.cells[name] = cells
        return scores

    def show_comparison(self, comparison: Comparison, new: Model, old: Model | None) -> None:
        """Show a comparison of two models; `old` is None where there is no other one."""
        count = len(comparison.images)
        images = "1 held-out image" if count == 1 else f"{count} held-out images"
        against = f" and <b>{old.name}</b>, which is in use," if old else ""
        self.title.setText(f"The new <b>{new.name}</b>{against} on {images}:")
        self._show_results(True)
        means = comparison.means()
        for name, (before, after) in means.items():
            self._show_score(name, before, after)
        self._advise(self._spoken_for(comparison))
        self.verdict.setText(" ".join([in_words(comparison), *_cautions(comparison)]))
        self._show_images(comparison.images)
        self.keep.setText("Keep the old one" if old else "Do not use it")

    def show_failure(self, message: str, new: Model, old: Model | None) -> None:
        """Show that the models could not be compared; the person decides without scores."""
        self.title.setText(f"The new <b>{new.name}</b> could not be compared.")
        self._show_results(False)
        self.verdict.setText(message)
        self._show_images([])
        self.keep.setText("Keep the old one" if old else "Do not use it")
        self._advise(self.keep)

    def _show_results(self, value: bool) -> None:
        for each in (self.scores, self.table, self.pictures):
            each.setVisible(value)

    def _spoken_for(self, comparison: Comparison) -> QPushButton | None:
        """Choose the button that the scores speak for; none where they rise, but may by chance."""
        before, after = comparison.means()["Mean AP"]
        if before is None:
            return self.use
        if after <= before:
            return self.keep
        gain = comparison.gain()
        return self.use if gain is not None and gain.low > 0 else None

    def _advise(self, button: QPushButton | None) -> None:
        """Draw the button that the scores speak for in bold."""
        for each in (self.use, self.keep):
            each.setStyleSheet("font-weight: bold;" if each is button else "")

    def _show_score(self, name: str, before: float | None, after: float | None) -> None:
        old, new, gain = self.cells[name]
        is_count = "nuclei" in name
        form = ".1f" if is_count else ".3f"
        old.setText("–" if before is None else format(before, form))
        new.setText("–" if after is None else format(after, form))
        gain.setText("")
        if before is not None and after is not None and not is_count:
            rise = round(after - before, 3)
            colour = _BETTER if rise > 0 else _WORSE
            gain.setText(f"{rise:+.3f}" if rise else "same")
            gain.setStyleSheet(f"color: {colour};" if rise else "")


def in_words(comparison: Comparison) -> str:
    """Say whether the new model is better, and how sure that is."""
    if comparison.images[0].old is None:
        return "There is no model in use to compare it with."
    gain = comparison.gain()
    if gain is None:
        return (
            f"From {_fields(comparison.fields)} it cannot be said how sure this is; "
            f"hold out {ENOUGH_FIELDS} or more."
        )
    span = f"Mean AP {gain.mean:+.3f}, 95 % interval {gain.low:+.3f} to {gain.high:+.3f}"
    if gain.low > 0:
        return f"Better: {span}."
    if gain.high < 0:
        return f"Worse: {span}."
    return f"No clear difference: {span}."


def _cautions(comparison: Comparison) -> Iterator[str]:
    """Say what keeps the scores from being the whole truth, a sentence each."""
    chosen_by, count = comparison.chosen_by, len(comparison.images)
    if chosen_by:
        these = _images(chosen_by) if chosen_by < count else "these images"
        yield (
            f"The new model's weights were chosen by {these}, so its scores may be a little high."
        )
    if comparison.missing:
        more = "1 more image" if comparison.missing == 1 else f"{comparison.missing} more images"
        yield f"{more} could not be scored."


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _fields(count: int) -> str:
    return "1 field of view" if count == 1 else f"{count} fields of view"


def _grid() -> tuple[QWidget, QGridLayout]:
    widget = QWidget()
    grid = QGridLayout(widget)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setVerticalSpacing(2)
    return widget, grid


def _cell(text: str = "") -> QLabel:
    cell = QLabel(text)
    cell.setAlignment(Qt.AlignmentFlag.AlignRight)
    return cell
