"""What to train on, from what, and how: everything that is decided before the start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_nucleiseg._qt.eliding_combo import ElidingCombo
from napari_nucleiseg._qt.forms import form_for
from napari_nucleiseg._qt.model_list import ModelList
from napari_nucleiseg.comparison import foresee
from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.free_memory import free_memory
from napari_nucleiseg.learned import held_out_by
from napari_nucleiseg.models import Model
from napari_nucleiseg.presets import Preset, fit_to_memory, preset_config
from napari_nucleiseg.splits import MOST_OLD
from napari_nucleiseg.truth import Truths

if TYPE_CHECKING:
    from napari_nucleiseg.sample import Sample

_DETAILS = (
    "steps",
    "epoch_steps",
    "batch",
    "crop",
    "learning_rate",
    "patience",
    "validation",
    "seed",
)
_LABELS = {
    "epoch_steps": "Validate every",
    "batch": "Crops a step",
    "crop": "Edge of a crop",
    "validation": "Held out",
}
_PARTS = (("Decoder only", True), ("All layers", False))
_PRESETS = (
    ("Quick: a few minutes", Preset.QUICK),
    ("Thorough: 20 minutes or more", Preset.THOROUGH),
    ("Classic: U-Net on a frozen MobileNetV2", Preset.CLASSIC),
)
_CLASSIC = "mobilenetv2-unet"
# Arrows as text follow the theme; those of the widget are black in a dark window.
_FOLDED, _OPEN = "▶ Details", "▼ Details"
LEAST_IMAGES = 2
"""One to learn from, one held out."""
MODEL, ENCODER, NOTHING = "A model", "ImageNet: encoder only", "Nothing: random weights"


class TrainForm(QWidget):
    """Chooses samples, start and config.

    Attributes
    ----------
    changed : Signal()
        The person changed something.
    has_shrunk : bool
        Whether batch or crop are smaller than the preset's, for want of memory.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._truths = Truths()
        self._known: Sequence[Sample] = ()
        self._known_to_old: Sequence[Sample] = ()
        self._old: Model | None = None
        self._foreseen: tuple[Any, tuple[int, int]] = None, (0, 0)
        self._model: Model | None = None
        self._has_decided = False
        self.has_shrunk = False
        self.counts, self.also_annotated = QLabel(), QCheckBox()
        self.mix_old = QCheckBox()
        self.start_from, self.models = ElidingCombo(), ModelList()
        self.network = form_for(TrainConfig, ["network"])
        self.parts, self.presets = ElidingCombo(), ElidingCombo()
        self.details = form_for(TrainConfig, _DETAILS, labels=_LABELS, sliders=())
        self.name = QLineEdit()
        self._fill()
        self._lay_out()
        self._connect()
        self._use_preset()

    def _fill(self) -> None:
        self.start_from.addItems([MODEL, ENCODER, NOTHING])
        self.mix_old.setChecked(True)
        self.mix_old.setToolTip(
            "Most of what is trained on are then images that the model knows, so that it does "
            "not unlearn. The scores that you decide by are of other images; a few of these help "
            "to choose which weights are kept."
        )
        for text, frozen in _PARTS:
            self.parts.addItem(text, frozen)
        for text, preset in _PRESETS:
            self.presets.addItem(text, preset)
        self.parts.setToolTip("With the decoder only, the encoder stays as it is: faster, safer.")
        self.counts.setWordWrap(True)
        self.name.setToolTip("Name of the new model.")

    def _lay_out(self) -> None:
        self._form = QFormLayout()
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.addRow("Start from", self.start_from)
        self._form.addRow("", self.models)
        self._form.addRow("", self.network)
        self._form.addRow("Train", self.parts)
        self._form.addRow("Preset", self.presets)
        self._form.addRow("Name", self.name)
        folded = QCollapsible(_FOLDED, expandedIcon=QIcon(), collapsedIcon=QIcon())
        folded.toggled.connect(lambda is_open: folded.setText(_OPEN if is_open else _FOLDED))
        folded.layout().setContentsMargins(0, 0, 0, 0)
        folded.addWidget(self.details)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(6)
        rows.addWidget(self.counts)
        rows.addWidget(self.also_annotated)
        rows.addWidget(self.mix_old)
        rows.addLayout(self._form)
        rows.addWidget(folded)
        self._show_start()

    def _connect(self) -> None:
        self.also_annotated.clicked.connect(self._on_annotated_clicked)
        self.start_from.currentIndexChanged.connect(self._on_start_changed)
        self.models.chosen.connect(self._on_model_chosen)
        self.network.changed.connect(lambda _: self._use_preset())
        self.parts.currentIndexChanged.connect(lambda _: self._use_preset())
        self.presets.currentIndexChanged.connect(lambda _: self._on_preset_changed())
        self.mix_old.clicked.connect(lambda _: self.changed.emit())
        self.details.changed.connect(lambda _: self.changed.emit())
        self.changed.connect(self._show_counts)

    # --- data

    def show_truths(self, truths: Truths) -> None:
        """Show what there is to train on."""
        self._truths = truths
        annotated = len(truths.annotated)
        images = "1 image" if annotated == 1 else f"{annotated} images"
        self.also_annotated.setText(f"Also {images} that came with masks")
        self.also_annotated.setEnabled(annotated > 0)
        if not self._has_decided:
            # With too few corrections at hand, there is nothing else to learn from.
            few = len(truths.by_hand) < LEAST_IMAGES
            self.also_annotated.setChecked(annotated > 0 and few)
        self._show_counts()

    def _show_counts(self) -> None:
        truths = self._truths
        self.counts.setText(
            f"<b>{len(truths.approved)}</b> approved, <b>{len(truths.corrected)}</b> corrected."
            f" Not trained on: {len(truths.none)} whose masks nobody has made or looked at."
            f"{self._held_out_in_words()}"
        )
        self._show_old()

    def _held_out_in_words(self) -> str:
        samples = self.samples
        count = sum(each.split != "test" for each in samples)
        if count < 2:
            return ""
        held, compared = self._foresee(samples)
        if not compared:
            return f" The models cannot be compared: {self._why_not_compared()}"
        return f" About {held} of {count} images will be held out."

    def _foresee(self, samples: tuple[Sample, ...]) -> tuple[int, int]:
        before = held_out_by(self.start) if self._known else frozenset()
        asked = samples, self._truths, self.config, self._known, self._known_to_old, before
        # Most changes of a state change no truth, and to part 10,000 samples takes 50 ms.
        if asked != self._foreseen[0]:
            self._foreseen = asked, foresee(*asked)
        return self._foreseen[1]

    def _why_not_compared(self) -> str:
        remedy = "Correct images of other fields of view."
        chosen = {each.id for each in self.samples}
        for model, known in ((self.start, self._known), (self._old, self._known_to_old)):
            if model is not None and chosen <= {each.id for each in known}:
                return f"{model.name} has learned from all of these images. {remedy}"
        return f"no image that neither has learned from can be held out. {remedy}"

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What will be trained on, and held out."""
        truths = self._truths
        also = self.also_annotated.isChecked() and self.also_annotated.isEnabled()
        return truths.by_hand + (truths.annotated if also else ())

    @property
    def why_too_few(self) -> str:
        """Why that cannot be trained on, and what to do; empty where it can."""
        truths = self._truths
        if len(self.samples) >= LEAST_IMAGES:
            return ""
        text = "Correct or approve two images at least: one to learn from, one held out."
        if len(truths.by_hand + truths.annotated) >= LEAST_IMAGES:
            text += f" Or tick “{self.also_annotated.text()}”."
        return text

    def _on_annotated_clicked(self) -> None:
        self._has_decided = True
        self.changed.emit()

    def show_known(
        self,
        known: Sequence[Sample],
        old: Model | None = None,
        known_to_old: Sequence[Sample] = (),
    ) -> None:
        """Show which images the start has learned from, and the model to be compared with."""
        self._known, self._old, self._known_to_old = known, old, known_to_old
        self._show_counts()

    def _show_old(self) -> None:
        chosen = {each.id for each in self.samples}
        others = sum(bool(each.mask_paths) for each in self._known if each.id not in chosen)
        count = min(others, MOST_OLD)
        images = "1 image" if count == 1 else f"{count} images"
        self.mix_old.setText(f"Mix in {images} learned before")
        self.mix_old.setVisible(count > 0)

    # --- start

    def show_model(self, model: Model | None) -> None:
        """Show the model to start from."""
        self._model = model
        self.models.show_model(model)
        self.start_from.setCurrentText(MODEL if model else ENCODER)
        self._on_start_changed()

    @property
    def start(self) -> Model | None:
        """The model to start from; None for random weights, also where the encoder has some."""
        return self._model if self.start_from.currentText() == MODEL else None

    @property
    def starts_from_imagenet(self) -> bool:
        """Whether the encoder starts from what ImageNet taught it."""
        return self.start_from.currentText() == ENCODER

    def _on_model_chosen(self, model: Model) -> None:
        self.show_model(model)

    def _on_start_changed(self) -> None:
        if self.preset is Preset.CLASSIC and self.start and self.start.network != _CLASSIC:
            self.presets.setCurrentIndex(0)  # which comes back here by `_use_preset` alone
        self._show_start()
        self._use_preset()

    def _on_preset_changed(self) -> None:
        if self.preset is Preset.CLASSIC and not (self.start and self.start.network == _CLASSIC):
            self.start_from.setCurrentText(ENCODER)
        # Time to train all layers well is what the quick one has not.
        self.parts.setCurrentIndex(self.parts.findData(self.preset is not Preset.THOROUGH))
        self._show_start()
        self._use_preset()

    def _show_start(self) -> None:
        from_model = self.start_from.currentText() == MODEL
        is_classic = self.preset is Preset.CLASSIC
        self.models.setVisible(from_model)
        self.network.setVisible(not from_model and not is_classic)
        self.parts.setEnabled(self.start_from.currentText() != NOTHING and not is_classic)

    # --- how

    @property
    def config(self) -> TrainConfig:
        """How to train."""
        return self.details.config

    @property
    def preset(self) -> Preset:
        """How much time is given."""
        return Preset(self.presets.currentData())

    def _use_preset(self) -> None:
        start = self.start
        network = start.network if start else self.network.config.network
        frozen = bool(self.parts.currentData()) and self.start_from.currentText() != NOTHING
        config = preset_config(self.preset, network, freeze_encoder=frozen)
        self.details.config = fit_to_memory(config, free_memory())
        self.has_shrunk = self.details.config != config
        self.changed.emit()

    def set_enabled(self, value: bool) -> None:
        """Let the person change things, or not while a training runs."""
        for each in self._inputs():
            each.setEnabled(value)
        if value:
            self._show_start()
            self.show_truths(self._truths)

    def _inputs(self) -> Iterable[QWidget]:
        return (
            self.also_annotated,
            self.mix_old,
            self.start_from,
            self.models,
            self.network,
            self.parts,
            self.presets,
            self.details,
            self.name,
        )
