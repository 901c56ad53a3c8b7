"""How a network learns: curves, a held-out image, and the way to TensorBoard."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_nucleiseg._qt.curve_plot import CurvePlot
from napari_nucleiseg._qt.picture import Picture
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.runs import Run, read_curves

LOSS, AP_50, MEAN_AP, TRAIN_AP_50 = "loss", "AP .5", "mean", "train"
_SMOOTHING = 0.9


class Learning(QWidget):
    """Shows a training while it runs, or where it was left."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._smoothed: float | None = None
        self._command = ""
        self.loss = CurvePlot([LOSS])
        self.scores = CurvePlot([AP_50, TRAIN_AP_50, MEAN_AP], 0.0, 1.0)
        self.before, self.now = Picture(), Picture()
        self.before_caption, self.now_caption = QLabel(), QLabel()
        self.tensorboard = QPushButton("Copy the command for TensorBoard")
        self._lay_out()
        self.tensorboard.clicked.connect(self._on_copy)

    def _lay_out(self) -> None:
        self.scores.setToolTip(
            "AP .5 on held-out images, and on some that it trains on: where these part, it "
            "learns them by heart. Mean is the mean AP over the IoUs .5 to .95."
        )
        pictures = QGridLayout()
        pictures.setHorizontalSpacing(6)
        pictures.setVerticalSpacing(2)
        for column, (caption, picture) in enumerate(
            ((self.before_caption, self.before), (self.now_caption, self.now))
        ):
            pictures.addWidget(caption, 0, column)
            pictures.addWidget(picture, 1, column)
            pictures.setColumnStretch(column, 1)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(6)
        rows.addWidget(self.loss)
        rows.addWidget(self.scores)
        rows.addLayout(pictures)
        rows.addWidget(self.tensorboard)

    def show_run(self, run: Run) -> None:
        """Show what a run has come to so far, which is nothing where it only begins."""
        steps, self._smoothed = run.request["config"]["steps"], None
        self._command = run.tensorboard_command
        self.tensorboard.setText("Copy the command for TensorBoard")
        self.tensorboard.setToolTip(self._command)
        self.loss.clear(steps)
        self.scores.clear(steps)
        for point in read_curves(run.folder):
            self.loss.add(LOSS, point.step, point.loss)
            self._add_scores(point.step, point.ap_50, point.train_ap_50, point.mean_ap)
        self._show_pictures(run.pictures())

    def show_step(self, step: Progress) -> None:
        """Let the curves grow by a step, or by a validation with its picture."""
        values = step.values
        if step.kind == "step":
            before = values["loss"] if self._smoothed is None else self._smoothed
            self._smoothed = _SMOOTHING * before + (1 - _SMOOTHING) * values["loss"]
            self.loss.add(LOSS, step.done, self._smoothed)
        elif step.kind == "epoch":
            self._add_scores(
                step.done, values["ap"]["all"][0], values["train_ap"], values["mean_ap"]
            )
            picture = Path(values["picture"])
            self._show_pictures(sorted(picture.parent.glob("step-*.png")))

    def _add_scores(self, step: int, ap_50: float, train_ap_50: float, mean_ap: float) -> None:
        self.scores.add(AP_50, step, ap_50)
        self.scores.add(TRAIN_AP_50, step, train_ap_50)
        self.scores.add(MEAN_AP, step, mean_ap)

    def _show_pictures(self, paths: list[Path]) -> None:
        first, last = (paths[0], paths[-1]) if paths else (None, None)
        self.before.show_png(_read(first))
        self.now.show_png(_read(last) if last != first else b"")
        self.before_caption.setText(_caption(first))
        self.now_caption.setText(_caption(last) if last != first else "")

    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText(self._command)
        self.tensorboard.setText("Copied: paste it into a terminal")


def _caption(path: Path | None) -> str:
    if path is None:
        return ""
    step = int(path.stem.removeprefix("step-"))
    return f"after step {step}" if step else "held out: before"


def _read(path: Path | None) -> bytes:
    try:
        return path.read_bytes() if path is not None else b""
    except OSError:
        return b""  # a picture is worth no error
