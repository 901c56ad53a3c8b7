"""A picture that fits into a dock."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QPixmap, QResizeEvent
from qtpy.QtWidgets import QLabel, QSizePolicy


class Picture(QLabel):
    """A picture that takes the width that there is, and keeps its shape."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = QPixmap()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)

    def show_png(self, data: bytes) -> None:
        """Show a PNG file's content; nothing, in no room, where it is none."""
        self._whole = QPixmap()
        self._whole.loadFromData(data)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Fit the picture to the new width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if self._whole.isNull():
            self.clear()
            self.setFixedHeight(0)
            return
        room = QSize(max(self.width(), 1), self._whole.height())
        ratio = Qt.AspectRatioMode.KeepAspectRatio
        smooth = Qt.TransformationMode.SmoothTransformation
        fitted = self._whole.scaled(room, ratio, smooth)
        self.setFixedHeight(fitted.height())
        self.setPixmap(fitted)
