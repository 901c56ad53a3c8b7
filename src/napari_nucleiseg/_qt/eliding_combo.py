"""A combo box for names that may be longer than a dock is wide."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QHelpEvent, QPaintEvent
from qtpy.QtWidgets import (
    QComboBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QWidget,
)

from napari_nucleiseg._qt.leaves_letters import LeavesLetters


class ElidingCombo(LeavesLetters, QComboBox):
    """Shortens its text in the middle, where Qt would cut off its end without a sign.

    Names of samples and models often differ in their last letters alone. The whole text is
    the tooltip, unless there is another one.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    @property
    def shown_text(self) -> str:
        """The text as there is room for it."""
        return self._option().currentText

    def _option(self) -> QStyleOptionComboBox:
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style = self.style()
        assert style is not None
        room = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        ).width()
        middle = Qt.TextElideMode.ElideMiddle
        option.currentText = self.fontMetrics().elidedText(self.currentText(), middle, room)
        return option

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw the box with the shortened text."""
        painter, option = QStylePainter(self), self._option()
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def event(self, event: QEvent | None) -> bool:
        """Show the whole text to who points at a shortened one."""
        if isinstance(event, QHelpEvent) and self._is_answer_to(event):
            QToolTip.showText(event.globalPos(), self.currentText(), self)
            return True
        return bool(super().event(event))

    def _is_answer_to(self, event: QHelpEvent) -> bool:
        is_cut = self.shown_text != self.currentText()
        return event.type() == QEvent.Type.ToolTip and is_cut and not self.toolTip()
