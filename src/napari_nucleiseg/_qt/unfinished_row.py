"""What can be done with a training that was stopped or interrupted."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_nucleiseg.runs import Run


class UnfinishedRow(QWidget):
    """Offers to go on with a training, or to make a model of what it has; hidden without one.

    Attributes
    ----------
    resumed, finished : Signal()
        A button was pressed.
    """

    resumed = Signal()
    finished = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.resume, self.finish = QPushButton(), QPushButton()
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(6)
        for each in (self.resume, self.finish):
            # A long name is cut off rather than widening the dock.
            each.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            rows.addWidget(each)
        self.resume.clicked.connect(self.resumed)
        self.finish.clicked.connect(self.finished)

    def show_run(self, run: Run | None) -> None:
        """Offer to go on with a run, or hide without one."""
        self.setVisible(run is not None)
        if run is not None:
            (self._offer_decision if run.is_trained else self._offer_training)(run)

    def _offer_decision(self, run: Run) -> None:
        self.resume.setText(f"Decide on {run.name}")
        self.resume.setToolTip(f"Compare {run.name}, which is trained, with the model in use.")
        self.finish.setText(f"Do not use {run.name}")
        self.finish.setToolTip("Leave it in the folder of runs, and do not ask again.")
        self.finish.setEnabled(True)

    def _offer_training(self, run: Run) -> None:
        self.resume.setText(f"Resume {run.name}")
        self.resume.setToolTip(f"Go on with {run.name}, which was stopped or interrupted.")
        self.finish.setText(f"Finish {run.name} now")
        self.finish.setToolTip(
            "Make a model of its best weights so far."
            if run.has_best
            else "It was stopped before its first validation: there are no weights to keep yet."
        )
        self.finish.setEnabled(run.has_best)
