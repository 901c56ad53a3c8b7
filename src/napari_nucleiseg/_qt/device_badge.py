"""What the network runs on, and why."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

_LONGEST = 120
# Readable on napari's dark and light background.
_STYLE = (
    "QLabel {{ background-color: {colour}; color: white; border-radius: 4px; padding: 1px 6px; }}"
)
_CPU, _GPU = "#6b7280", "#15803d"


class DeviceBadge(QWidget):
    """Names the device; says beside it why there is no graphics card in use."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = QLabel()
        self.reason = QLabel()
        self.reason.setWordWrap(True)
        self.reason.setStyleSheet("font-size: 10px;")
        # Two lines from the start: what comes later moves nothing, and is not cut.
        self.reason.setMinimumHeight(28)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.name, alignment=Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.reason, stretch=1)
        self.show_device("…", "Looking for a graphics card.")

    def show_device(self, name: str, reason: str) -> None:
        """Show a device.

        Parameters
        ----------
        name : str
            "CPU", or what the card is used by; "…" and "—" for none that is known.
        reason : str
            One sentence. Whole in the tooltip; a long one is shortened in the dock.
        """
        is_plain = name in ("CPU", "…", "—")
        self.name.setText(name)
        self.name.setStyleSheet(_STYLE.format(colour=_CPU if is_plain else _GPU))
        self.reason.setText(_shortened(reason))
        self.setToolTip(reason)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"
