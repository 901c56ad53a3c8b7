"""Forms made from configs: one control a parameter, in the words of `config.py`."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from magicgui.widgets.bases import BaseValueWidget
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QSlider,
    QWidget,
)

from napari_nucleiseg._qt.controls import Field, control_for
from napari_nucleiseg._qt.leaves_letters import types_a_sign
from napari_nucleiseg.config import Config


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
        self._controls: dict[str, BaseValueWidget[Any]] = {}
        # An empty layout is false.
        self._rows = _form_layout(self) if rows is None else rows
        self._guard = _Guard(self)
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
            with control.changed.blocked():
                control.value = getattr(config, name)

    def control(self, name: str) -> BaseValueWidget[Any]:
        """Give the control of one parameter."""
        return self._controls[name]

    def _add(self, field: Field, label: str, sliders: Collection[str] | None) -> None:
        control = control_for(field, sliders)
        text = QLabel(label)
        text.setBuddy(control.native)
        for each in (text, control.native):
            each.setToolTip(_tooltip(field))
        control.changed.connect(lambda value, name=field.name: self._on_changed(name, value))
        self._guard.watch(control.native)
        self._controls[field.name] = control
        self._rows.addRow(text, control.native)

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


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _tooltip(field: Field) -> str:
    low, high = field.metadata["low"], field.metadata["high"]
    if low is None or high is None or field.metadata["step"] is None:
        return str(field.metadata["help"])
    return f"{field.metadata['help']} {low:g} to {high:g} {field.metadata['unit']}".rstrip()


class _Guard(QObject):
    """Keeps from a control what is not meant for it.

    The wheel scrolls the dock rather than change a value it happens to pass over, and a
    letter is a key of the canvas rather than the beginning of a choice.
    """

    def watch(self, control: QWidget) -> None:
        for each in (control, *control.findChildren(QWidget)):
            if isinstance(each, (QSlider, QAbstractSpinBox, QComboBox)):
                each.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                each.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() == QEvent.Type.Wheel:
            goes_on = not watched.hasFocus()
        elif event.type() == QEvent.Type.KeyPress:
            goes_on = isinstance(watched, QComboBox) and types_a_sign(event)
        else:
            return False
        if goes_on:
            event.ignore()
        return goes_on
