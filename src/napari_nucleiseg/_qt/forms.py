"""Forms made from configs: one control a parameter, in the words of `config.py`."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias, cast

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSlider,
    QSpinBox,
    QWidget,
)

from napari_nucleiseg.config import Config

_Field: TypeAlias = dataclasses.Field[Any]
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


class ConfigForm(QWidget):
    """Edits some parameters of a config.

    Parameters
    ----------
    config_class : type
        A subclass of `config.Config`.
    names : iterable of str
        Its parameters that are shown, in this order.
    labels : mapping of str to str
        What a parameter is called here; by default its name.
    sliders : collection of str, optional
        Numbers that get a slider beside their box; by default all that have a range and a
        step.
    rows : QFormLayout, optional
        Another layout that the rows are added to; the form itself then shows nothing.

    Attributes
    ----------
    changed : Signal(object)
        The new config, after the person changed a value. Setting `config` stays silent.
    """

    changed = Signal(object)

    def __init__(
        self,
        config_class: type[Config],
        names: Iterable[str],
        *,
        labels: Mapping[str, str] | None = None,
        sliders: Collection[str] | None = None,
        rows: QFormLayout | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._config = config_class()
        self._controls: dict[str, Control] = {}
        # An empty layout is false.
        self._rows = _form_layout(self) if rows is None else rows
        self._wheel = _WheelGuard(self)
        fields = {each.name: each for each in dataclasses.fields(config_class)}  # type: ignore[arg-type]
        for name in names:
            self._add(fields[name], (labels or {}).get(name) or _words(name), sliders)
        self.config = self._config

    @property
    def config(self) -> Any:
        """The config as it is now; parameters that are not shown keep what was set."""
        return self._config

    @config.setter
    def config(self, config: Any) -> None:
        self._config = config
        for name, control in self._controls.items():
            control.set_value(getattr(config, name))

    def control(self, name: str) -> Control:
        """Give the control of one parameter."""
        return self._controls[name]

    def _add(self, field: _Field, label: str, sliders: Collection[str] | None) -> None:
        control = _control_for(field, sliders)
        text = QLabel(label)
        text.setBuddy(control)
        for each in (text, control):
            each.setToolTip(_tooltip(field))
        control.changed.connect(lambda value, name=field.name: self._on_changed(name, value))
        self._wheel.guard(control)
        self._controls[field.name] = control
        self._rows.addRow(text, control)

    def _on_changed(self, name: str, value: Any) -> None:
        # Only what the person changed: a tuned 0.425 shown as 0.43 stays 0.425.
        self._config = dataclasses.replace(self._config, **{name: value})  # type: ignore[type-var]
        self.changed.emit(self._config)


def form_for(
    config_class: type[Config], names: Iterable[str] | None = None, **options: Any
) -> ConfigForm:
    """Make the form of a config.

    Parameters
    ----------
    config_class : type
        A subclass of `config.Config`.
    names : iterable of str, optional
        The parameters to show; by default all.
    **options
        As `ConfigForm` takes them.
    """
    if names is None:
        names = [each.name for each in dataclasses.fields(config_class)]  # type: ignore[arg-type]
    return ConfigForm(config_class, names, **options)


def _form_layout(parent: QWidget) -> QFormLayout:
    rows = QFormLayout(parent)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return rows


def _control_for(field: _Field, sliders: Collection[str] | None) -> Control:
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


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _tooltip(field: _Field) -> str:
    low, high = field.metadata["low"], field.metadata["high"]
    if low is None or high is None or field.metadata["step"] is None:
        return str(field.metadata["help"])
    return f"{field.metadata['help']} {low:g} to {high:g} {field.metadata['unit']}".rstrip()


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


def _box_for(field: _Field) -> QSpinBox | QDoubleSpinBox:
    about = field.metadata
    step = about["step"]
    kind: type = int if isinstance(field.default, int) else float
    box = QSpinBox() if kind is int else _FloatBox(_decimals(field), fixed=step is not None)
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


def _decimals(field: _Field) -> int:
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

    def __init__(self, box: QSpinBox | QDoubleSpinBox, field: _Field) -> None:
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
        self.box = QComboBox()
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


class _WheelGuard(QObject):
    """Lets the wheel scroll the dock rather than change a value it happens to pass over."""

    def guard(self, control: Control) -> None:
        for each in control.findChildren(QWidget):
            if isinstance(each, (QSlider, QAbstractSpinBox, QComboBox)):
                each.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                each.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False
