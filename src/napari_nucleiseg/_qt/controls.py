"""Controls for one parameter of a config: a box, a slider, a check box or a list."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any, TypeAlias, cast

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QSlider,
    QSpinBox,
    QWidget,
)

from napari_nucleiseg._qt.leaves_letters import LeavesLetters

Field: TypeAlias = dataclasses.Field[Any]
_NOTCHES = 1000
"""A slider has so many notches at most; above it, they lie closer at the low end."""
_BOX_WIDTH = 88


class Control(QWidget):
    """One parameter: shows a value and says when the person changed it."""

    changed = Signal(object)

    def value(self) -> Any:
        """Read the value, of the parameter's type."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show a value; `changed` stays silent."""
        raise NotImplementedError


def control_for(field: Field, sliders: Collection[str] | None) -> Control:
    """Make the control of a parameter.

    Parameters
    ----------
    field : dataclasses.Field
        From `config.parameter`.
    sliders : collection of str, optional
        Numbers that get a slider beside their box; by default all that have a range and a
        step.

    Returns
    -------
    Control

    Raises
    ------
    TypeError
        If no control shows a parameter of its type.
    """
    if isinstance(field.default, bool):
        return _Check()
    if field.metadata["choices"]:
        return _Choice(field.metadata["choices"])
    if not isinstance(field.default, (int, float)):
        raise TypeError(f"{field.name} is a {type(field.default).__name__}: no control shows it.")
    box = _box_for(field)
    ranged = all(field.metadata[key] is not None for key in ("low", "high", "step"))
    wanted = ranged if sliders is None else field.name in sliders
    return _NumberWithSlider(box, field) if wanted else _Number(box)


# --- numbers


class _FloatBox(QDoubleSpinBox):
    """Shows 0.002 as 0.002 where seven digits would be allowed."""

    def __init__(self, decimals: int, fixed: bool) -> None:
        super().__init__()
        self._fixed = fixed
        self.setDecimals(decimals)

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        if self._fixed:
            return str(super().textFromValue(value))
        return self.locale().toString(value, "g", 7)


class _MultipleBox(QSpinBox):
    """Rounds what is typed to a multiple."""

    def __init__(self, multiple: int) -> None:
        super().__init__()
        self._multiple = multiple

    def valueFromText(self, text: str) -> int:  # noqa: N802 - Qt's name
        return round(super().valueFromText(text) / self._multiple) * self._multiple


def _box_for(field: Field) -> QSpinBox | QDoubleSpinBox:
    about = field.metadata
    step = about["step"]
    kind: type = int if isinstance(field.default, int) else float
    box = (
        _MultipleBox(about["multiple"])
        if kind is int
        else _FloatBox(_decimals(field), fixed=step is not None)
    )
    box.setRange(kind(about["low"]), kind(about["high"]))
    if step is None:
        box.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
    else:
        box.setSingleStep(kind(step))
    if about["unit"]:
        box.setSuffix(f" {about['unit']}")
    # A value counts when it is finished, not after each of its digits.
    box.setKeyboardTracking(False)
    return box


def _decimals(field: Field) -> int:
    """Digits behind the point: those of the step, else two more than the default needs."""
    step = field.metadata["step"]
    if step is not None:
        return _digits(step)
    return 2 + max(_digits(each) for each in (cast(float, field.default), field.metadata["low"]))


def _digits(number: float) -> int:
    exponent = Decimal(repr(float(number))).normalize().as_tuple().exponent
    return max(0, -int(exponent))


class _Number(Control):
    def __init__(self, box: QSpinBox | QDoubleSpinBox) -> None:
        super().__init__()
        self.box = box
        self._row = _row(self, box)
        self.setFocusProxy(box)
        box.valueChanged.connect(self._on_box_changed)
        # Out of the field, where letters are keys again.
        box.lineEdit().returnPressed.connect(box.clearFocus)

    def value(self) -> float:
        return self.box.value()

    def set_value(self, value: float) -> None:
        self.box.blockSignals(True)
        self.box.setValue(value)
        self.box.blockSignals(False)

    def _on_box_changed(self, value: float) -> None:
        self.changed.emit(value)


class Slider(QSlider):
    """A slider that tells of a move before it asks to be drawn anew."""

    about_to_move = Signal()

    def sliderChange(self, change: QAbstractSlider.SliderChange) -> None:  # noqa: N802 - Qt's name
        """Take up a change of value, range or direction; Qt calls it."""
        if change == QAbstractSlider.SliderChange.SliderValueChange:
            self.about_to_move.emit()
        super().sliderChange(change)


class _NumberWithSlider(_Number):
    """A slider with a box beside it."""

    def __init__(self, box: QSpinBox | QDoubleSpinBox, field: Field) -> None:
        super().__init__(box)
        low, high, step = (field.metadata[key] for key in ("low", "high", "step"))
        self._scale = _Scale(low, high, step)
        self.slider = Slider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, self._scale.notches)
        self.slider.setPageStep(max(1, self._scale.notches // 10))
        # The slider does what the box's arrows would do, and needs their place.
        box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        box.setFixedWidth(_BOX_WIDTH)
        self._row.insertWidget(0, self.slider, stretch=1)
        self._row.setStretch(1, 0)
        self._show_on_slider(box.value())
        self.slider.valueChanged.connect(self._on_slider_changed)

    def set_value(self, value: float) -> None:
        super().set_value(value)
        self._show_on_slider(value)

    def _show_on_slider(self, value: float) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(self._scale.notch(value))
        self.slider.blockSignals(False)

    def _on_box_changed(self, value: float) -> None:
        self._show_on_slider(value)
        super()._on_box_changed(value)

    def _on_slider_changed(self, notch: int) -> None:
        before = self.box.value()
        value = type(before)(self._scale.value(notch))
        super().set_value(value)
        if self.box.value() != before:
            self.changed.emit(self.box.value())


class _Scale:
    """Notches of a slider and the values they stand for.

    A range of up to a thousand steps is linear. In a longer one the values grow with the
    cube of the notch, so that the small ones, which matter, can be hit with a mouse.
    """

    def __init__(self, low: float, high: float, step: float) -> None:
        self._low, self._high, self._step = low, high, step
        steps = round((high - low) / step)
        self._power = 1 if steps <= _NOTCHES else 3
        self.notches = min(steps, _NOTCHES)

    def value(self, notch: int) -> float:
        share = (notch / self.notches) ** self._power
        return self._low + round(share * (self._high - self._low) / self._step) * self._step

    def notch(self, value: float) -> int:
        share = (value - self._low) / (self._high - self._low)
        return round(max(0.0, share) ** (1 / self._power) * self.notches)


# --- everything else


class _Box(LeavesLetters, QComboBox):
    pass


class _Check(Control):
    def __init__(self) -> None:
        super().__init__()
        self.box = QCheckBox()
        _row(self, self.box)
        self.box.toggled.connect(self.changed.emit)

    def value(self) -> bool:
        return bool(self.box.isChecked())

    def set_value(self, value: bool) -> None:
        self.box.blockSignals(True)
        self.box.setChecked(value)
        self.box.blockSignals(False)


class _Choice(Control):
    def __init__(self, choices: Iterable[str]) -> None:
        super().__init__()
        self.box = _Box()
        self.box.addItems(list(choices))
        _row(self, self.box)
        self.box.currentTextChanged.connect(self.changed.emit)

    def value(self) -> str:
        return str(self.box.currentText())

    def set_value(self, value: str) -> None:
        self.box.blockSignals(True)
        self.box.setCurrentText(value)
        self.box.blockSignals(False)


def _row(control: Control, box: QWidget) -> QHBoxLayout:
    row = QHBoxLayout(control)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(box, stretch=1)
    return row
