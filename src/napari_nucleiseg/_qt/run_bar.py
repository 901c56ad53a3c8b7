"""A button that starts, one that cancels, and how far it is."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QProgressBar, QPushButton, QSizePolicy, QWidget

from napari_nucleiseg._qt.listening import ask_calmly, calm_timer
from napari_nucleiseg._qt.wrapped_label import WrappedLabel
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.time_left import TimeLeft

# Readable on napari's dark and light background.
_BAD = "color: #e5484d;"


class RunBar(QWidget):
    """Starts and stops one job at a time.

    Two buttons rather than one with two meanings: the second press of a double click does
    nothing, instead of cancelling what the first one began.

    Parameters
    ----------
    text : str
        On the button that starts.

    Attributes
    ----------
    started, cancelled : Signal()
        A button was pressed.
    """

    started = Signal()
    cancelled = Signal()

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.start_button = QPushButton(text)
        self.start_button.setStyleSheet("font-weight: bold;")
        self.cancel_button = QPushButton("Cancel")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        self.status = WrappedLabel()
        self._is_running = False
        self._reason = ""
        self._left = TimeLeft()
        self._step: tuple[Progress, str] | None = None
        self._later = calm_timer(self, self._show_step)
        self._arrange()
        self.start_button.clicked.connect(self.started)
        self.cancel_button.clicked.connect(self.cancelled)
        self._update()

    def _arrange(self) -> None:
        # The bar keeps its place while it is hidden, so that nothing jumps under the mouse.
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        # Room for two lines, also in the larger font that napari sets later.
        self.status.setMinimumHeight(3 * self.status.fontMetrics().lineSpacing())
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        wide = QSizePolicy.Policy.Expanding
        self.start_button.setSizePolicy(wide, QSizePolicy.Policy.Fixed)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.start_button, 0, 0)
        grid.addWidget(self.cancel_button, 0, 1)
        grid.addWidget(self.bar, 1, 0, 1, 2)
        grid.addWidget(self.status, 2, 0, 1, 2)
        grid.setColumnStretch(0, 1)

    @property
    def is_running(self) -> bool:
        """Whether a job is shown as running."""
        return self._is_running

    def set_text(self, text: str) -> None:
        """Change the words on the button that starts."""
        self.start_button.setText(text)

    def set_reason(self, reason: str) -> None:
        """Say why nothing can be started; "" if it can."""
        if not self._is_running and self.status.text() in ("", self._reason):
            self.say(reason)
        self._reason = reason
        self._update()

    def begin(self, message: str) -> None:
        """Show that a job runs."""
        self._is_running = True
        self._left = TimeLeft()
        self.bar.setRange(0, 0)
        self.say(message)
        self._update()

    def show_progress(self, step: Progress) -> None:
        """Show soon how far the job is, and how long it still takes."""
        self._step = step, self._left.after(step.done, step.total)
        ask_calmly(self._later)  # the bar draws itself at once, which takes 10 ms

    def _show_step(self) -> None:
        if self._step is None:
            return
        step, left = self._step
        self.bar.setRange(0, max(step.total, 1))
        self.bar.setValue(step.done)
        counted = f"{step.done} of {step.total}" if step.total > 1 else ""
        self.say(" · ".join(part for part in (step.message, counted, left) if part))

    def end(self, message: str) -> None:
        """Show that no job runs any more, and how it went."""
        self._is_running = False
        self.say(message)
        self._update()

    def fail(self, message: str) -> None:
        """Show that no job runs any more, and what went wrong."""
        self.end(message)
        self.complain(message)

    def say(self, message: str) -> None:
        """Say one sentence."""
        self._put(message, "")

    def complain(self, message: str) -> None:
        """Say what went wrong; a job goes on."""
        self._put(message, _BAD)

    def _put(self, message: str, style: str) -> None:
        self._step = None  # which is older
        self.status.setStyleSheet(style)
        self.status.setText(message)

    def _update(self) -> None:
        self.bar.setVisible(self._is_running)
        self.cancel_button.setEnabled(self._is_running)
        self.start_button.setEnabled(not self._is_running and not self._reason)
        self.start_button.setToolTip(self._reason)
