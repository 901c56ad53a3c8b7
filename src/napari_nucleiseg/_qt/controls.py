"""Controls for one parameter of a config: a box, a slider, a check box or a list.

All are value widgets of magicgui: `value` and `changed`, and `native` for the layout. Those of
numbers hold a box and a slider of Qt: magicgui's `SpinBox` shows no unit, its `FloatSpinBox`
shows 0.002 as 0.0020000, and its sliders take no other box beside them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from decimal import Decimal
from typing import Any, TypeAlias, cast

from magicgui.widgets import CheckBox, ComboBox
from magicgui.widgets.bases import BaseValueWidget, ValuedContainerWidget
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QSlider, QSpinBox
from superqt.utils import signals_blocked

Field: TypeAlias = dataclasses.Field[Any]
_NOTCHES = 1000
"""A slider has so many notches at most; above it, they lie closer at the low end."""
_BOX_WIDTH = 88


def control_for(field: Field, sliders: Collection[str] | None) -> BaseValueWidget[Any]:
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
    BaseValueWidget

    Raises
    ------
    TypeError
        If no control shows a parameter of its type.
    """
    if isinstance(field.default, bool):
        return CheckBox()
    if field.metadata["choices"]:
        return ComboBox(choices=field.metadata["choices"])
    if not isinstance(field.default, (int, float)):
        raise TypeError(f"{field.name} is a {type(field.default).__name__}: no control shows it.")
    box = _box_for(field)
    ranged = all(field.metadata[key] is not None for key in ("low", "high", "step"))
    wanted = ranged if sliders is None else field.name in sliders
    return _NumberWithSlider(box, field) if wanted else _Number(box)


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
    box.setSpecialValueText(about["low_means"])
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


class _Number(ValuedContainerWidget[float]):
    def __init__(self, box: QSpinBox | QDoubleSpinBox) -> None:
        super().__init__(layout="horizontal", labels=False)
        self.margins = 0, 0, 0, 0
        self.box = box
        self.native.layout().addWidget(box, stretch=1)
        self.native.setFocusProxy(box)
        box.valueChanged.connect(self._on_box_changed)
        # Out of the field, where letters are keys again.
        box.lineEdit().returnPressed.connect(box.clearFocus)

    def get_value(self) -> float:
        return self.box.value()

    def set_value(self, value: float) -> None:
        self.box.setValue(value)

    def _on_box_changed(self, value: float) -> None:
        self.changed.emit(value)


class _NumberWithSlider(_Number):
    """A slider with a box beside it."""

    def __init__(self, box: QSpinBox | QDoubleSpinBox, field: Field) -> None:
        super().__init__(box)
        low, high, step = (field.metadata[key] for key in ("low", "high", "step"))
        self._scale = _Scale(low, high, step)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, self._scale.notches)
        self.slider.setPageStep(max(1, self._scale.notches // 10))
        # The slider does what the box's arrows would do, and needs their place.
        box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        box.setFixedWidth(_BOX_WIDTH)
        row = self.native.layout()
        row.insertWidget(0, self.slider, stretch=1)
        row.setStretch(1, 0)
        self._show_on_slider(box.value())
        self.slider.valueChanged.connect(self._on_slider_changed)

    def set_value(self, value: float) -> None:
        super().set_value(value)
        self._show_on_slider(value)

    def _show_on_slider(self, value: float) -> None:
        with signals_blocked(self.slider):
            self.slider.setValue(self._scale.notch(value))

    def _on_box_changed(self, value: float) -> None:
        self._show_on_slider(value)
        super()._on_box_changed(value)

    def _on_slider_changed(self, notch: int) -> None:
        before = self.box.value()
        with signals_blocked(self.box):
            self.box.setValue(type(before)(self._scale.value(notch)))
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
