"""Pages of which one is shown, each as high as it needs to be."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QStackedWidget


class Pages(QStackedWidget):
    """As high as the page that is shown: the buttons of a short one are not far below."""

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Take the height of the page that is shown."""
        width = super().minimumSizeHint().width()
        return QSize(width, self.heightForWidth(width))

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """Take that of the page that is shown."""
        page, margins = self.currentWidget(), self.contentsMargins()
        inside = width - margins.left() - margins.right()
        # What its table would like to have is more than it needs.
        needed = max(page.layout().minimumHeightForWidth(inside), page.minimumSizeHint().height())
        return int(needed + margins.top() + margins.bottom())
