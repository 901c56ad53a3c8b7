"""Segment: choose a model and an image, press the button, move the sliders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_nucleiseg._qt import canvas
from napari_nucleiseg._qt.blink import Blink
from napari_nucleiseg._qt.device_badge import DeviceBadge
from napari_nucleiseg._qt.forms import form_for
from napari_nucleiseg._qt.image_plane import shown_plane
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.listening import listen
from napari_nucleiseg._qt.model_list import ModelList
from napari_nucleiseg._qt.plane_results import plane_results_for
from napari_nucleiseg._qt.run_bar import RunBar
from napari_nucleiseg._qt.scroll_dock import ScrollDock
from napari_nucleiseg._qt.segmenter import Segmenter
from napari_nucleiseg._qt.source_box import Source, SourceBox
from napari_nucleiseg._qt.subjects import PlaneSubject, Subject
from napari_nucleiseg._qt.workers import run_call
from napari_nucleiseg.config import DecodeConfig, PredictConfig
from napari_nucleiseg.diameter import median_diameter
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.models import Model, check_model_folder
from napari_nucleiseg.session import Session, session_for

if TYPE_CHECKING:
    import napari.viewer

    from napari_nucleiseg.device import Device

_LABELS = {"distance": "Separation", "merge": "Join parts", "min_area": "Smallest area"}
_NO_MODEL = "There is no model yet: train one, or choose the folder of one in the list."
_NO_IMAGE = "Open a dataset, or an image in napari, first."


class SegmentDock(ScrollDock):
    """Runs a model over a sample, an Image layer or the whole dataset.

    Parameters
    ----------
    viewer : Viewer
    session : Session, optional
        By default that of the viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer, session: Session | None = None) -> None:
        super().__init__()
        self._viewer = viewer = canvas.unwrapped(viewer)
        self._session = session or session_for(viewer)
        self._layers = layers_for(viewer, self._session)
        self._results = plane_results_for(viewer)
        self.segmenter = Segmenter(self._session, self._layers, self)
        self.models, self.badge, self.source = ModelList(), DeviceBadge(), SourceBox()
        self.run_bar = RunBar("Segment")
        self.choices = QFormLayout()
        self.prediction = form_for(
            PredictConfig,
            ["diameter", "detail"],
            labels={"detail": "Fine detail"},
            sliders=(),
            rows=self.choices,
            parent=self,
        )
        self.measure = QPushButton("Measure")
        self.thresholds = form_for(DecodeConfig, labels=_LABELS)
        self._blink = Blink(self.thresholds)
        self.reset = QPushButton("Reset to the model's thresholds")
        self.show_maps = QCheckBox("Show the maps as layers")
        self._has_moved = True  # to where the person is when the dock opens
        self._refresh = QTimer(self)
        self._refresh.setSingleShot(True)
        self._refresh.timeout.connect(self._show_sources)
        self._lay_out()
        self._explain()
        self._connect_widgets()
        self._connect_session()
        self._choose_first_model()
        self._show_sources()
        run_call(_find_device, on_result=self._on_device_found, owner=self)

    # --- what it looks like

    def _lay_out(self) -> None:
        self._lay_out_choices()
        inside = QWidget()
        rows = QVBoxLayout(inside)
        rows.setContentsMargins(8, 6, 8, 6)
        rows.setSpacing(6)
        rows.addLayout(self.choices)
        rows.addWidget(self.run_bar)
        rows.addWidget(_heading("Thresholds"))
        rows.addWidget(self.thresholds)
        rows.addWidget(self.reset)
        rows.addWidget(self.show_maps)
        rows.addStretch(1)
        self.show_column(inside)

    def _lay_out_choices(self) -> None:
        self.choices.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.choices.insertRow(0, "Model", self.models)
        self.choices.insertRow(1, self.badge)
        self.choices.insertRow(2, "Segment", self.source)
        self.prediction.control("diameter").native.layout().addWidget(self.measure)

    def _explain(self) -> None:
        self.measure.setToolTip(
            "Take the median diameter of the nuclei that you have drawn or corrected, else of"
            " all nuclei shown."
        )
        self.reset.setToolTip("The thresholds that were tuned for this model.")
        self.show_maps.setToolTip("What the network sees: foreground, distance and border.")

    # --- wires

    def _connect_widgets(self) -> None:
        self.models.chosen.connect(self._on_model_chosen)
        self.models.folder_chosen.connect(self._on_folder_chosen)
        self.source.changed.connect(self._on_source_changed)
        self.prediction.changed.connect(self._session.set_predict_config)
        self.measure.clicked.connect(self._on_measure)
        self.run_bar.started.connect(self._on_started)
        self.run_bar.cancelled.connect(self.segmenter.cancel)
        self.segmenter.ended.connect(self._blink.end)
        self.thresholds.changed.connect(self._on_thresholds_moved)
        for slider in self.thresholds.findChildren(QSlider):
            # Qt's word for a move that is neither drawn nor heard yet.
            slider.actionTriggered.connect(self._blink.begin)
        self.reset.clicked.connect(self._on_reset)
        self.show_maps.toggled.connect(self._on_show_maps)
        self.segmenter.began.connect(self.run_bar.begin)
        self.segmenter.progressed.connect(self.run_bar.show_progress)
        self.segmenter.ended.connect(self.run_bar.end)
        self.segmenter.failed.connect(self.run_bar.fail)
        for over in (self.segmenter.ended, self.segmenter.failed):
            over.connect(self._on_sources_changed)  # the person may have gone on meanwhile
        self.segmenter.device_found.connect(self._on_device_found)

    def _connect_session(self) -> None:
        session, layers = self._session, self._viewer.layers.events
        listen(
            self,
            (session.model_changed, self._on_model_changed),
            (session.decode_changed, self._on_decode_changed),
            (session.predict_config_changed, self._on_predict_config_changed),
            (session.dataset_changed, self._on_dataset_changed),
            (session.sample_changed, self._on_sources_changed),
            (session.read_only_changed, self._on_source_changed),
            (session.maps_changed, self._on_maps_changed),
            (self._layers.labels_layer_changed, self._on_sample_shown),
            (layers.inserted, self._on_sources_changed),
            (layers.removed, self._on_sources_changed),
            (layers.renamed, self._on_sources_changed),
            (self._viewer.layers.selection.events.active, self._on_active_changed),
        )

    def _on_sources_changed(self, *_: object) -> None:
        # Later, because layers come in crowds, and are ours only once they are there.
        self._refresh.start()

    def _on_active_changed(self, *_: object) -> None:
        self._has_moved = True
        self._refresh.start()

    # --- model

    def _choose_first_model(self) -> None:
        if self._session.model is None and self.models.models:
            self._session.set_model(self.models.models[0])
        else:
            self._on_model_changed(self._session.model)
        self.thresholds.config = self._session.decode
        self.prediction.config = self._session.predict_config

    def _on_model_chosen(self, model: Model) -> None:
        try:
            self._session.set_model(model)
        except BadInput as error:
            self.run_bar.complain(str(error))

    def _on_folder_chosen(self, folder: Path) -> None:
        self.run_bar.say(f"Checking {folder.name}")
        run_call(
            check_model_folder,
            folder,
            on_result=self._on_folder_checked,
            on_error=lambda error: self.run_bar.complain(str(error)),
            owner=self,
        )

    def _on_folder_checked(self, model: Model) -> None:
        self.run_bar.say(f"{model.name} is in use now.")
        self._session.set_model(model)

    def _on_model_changed(self, model: Model | None) -> None:
        self.models.show_model(model)
        self._results.drop_maps()
        self.segmenter.stop_for(model)
        self.reset.setEnabled(model is not None)
        self._on_source_changed()

    def _on_device_found(self, device: Device) -> None:
        self.badge.show_device(device.name, device.reason)

    # --- what is segmented

    def _show_sources(self) -> None:
        dataset, sample = self._session.dataset, self._session.sample
        images = [
            each
            for each in self._viewer.layers
            if isinstance(each, Image) and not self._layers.owns(each)
        ]
        self.source.show_choices(
            sample.id if sample else "", len(dataset.samples) if dataset else 0, images
        )
        if self._has_moved and not self.segmenter.is_running:
            self._follow(self._viewer.layers.selection.active)
            self._has_moved = False

    def _follow(self, layer: Any) -> None:
        """Choose what the person has gone to: an image of their own, or the sample again."""
        if self._layers.owns(layer):
            self.source.leave_layer()
        elif isinstance(layer, Image):
            self.source.choose_layer(layer)

    def _on_source_changed(self, *_: object) -> None:
        is_dataset = self.source.source is Source.DATASET
        self.run_bar.set_text("Segment all" if is_dataset else "Segment")
        self.run_bar.set_reason(self._why_not())
        self.show_maps.setEnabled(self.source.source is not Source.LAYER)

    def _why_not(self) -> str:
        """Why the button does nothing; "" if it does."""
        if self._session.model is None:
            return _NO_MODEL
        if self.source.source is None:
            return _NO_IMAGE
        if self.source.source is Source.DATASET and not self._session.is_writable:
            return f"Predictions cannot be kept: {self._session.read_only}"
        return ""

    def _subject(self) -> Subject | None:
        """Find what the sliders act on, and the button unless it is the whole dataset."""
        layer, sample = self.source.layer, self._session.sample
        if layer is not None:
            plane = shown_plane(self._viewer, layer, self.source.channel)
            return PlaneSubject(plane, self._results)
        return self.segmenter.subject_of(sample) if sample else None

    def _on_started(self) -> None:
        if self.source.source is Source.DATASET:
            self.segmenter.segment_dataset()
            return
        try:
            subject = self._subject()
        except BadInput as error:
            self.run_bar.complain(str(error))
            return
        if subject is not None:
            self.segmenter.segment(subject)

    def _on_dataset_changed(self, *_: object) -> None:
        self.segmenter.cancel()
        self._on_sources_changed()

    # --- thresholds and size

    def _on_thresholds_moved(self, decode: DecodeConfig) -> None:
        self._session.set_decode(decode)

    def _on_decode_changed(self, decode: DecodeConfig) -> None:
        self.thresholds.config = decode
        if not self._redecode():
            self._blink.end()

    def _redecode(self) -> bool:
        """Have labels follow the thresholds; False where there are no maps of what is shown."""
        try:
            subject = self._subject()
        except BadInput:
            return False  # no plane is on show, so there is none to decode again
        return subject is not None and self.segmenter.redecode(subject)

    def _on_reset(self) -> None:
        if self._session.model is not None:
            self._session.set_decode(self._session.model.decode)

    def _on_predict_config_changed(self, config: PredictConfig) -> None:
        self.prediction.config = config

    def _on_measure(self) -> None:
        diameter = self._measured()
        if diameter is None:
            self.run_bar.complain("There is no nucleus to measure: draw one with the brush.")
            return
        config = replace(self._session.predict_config, diameter=diameter)
        self._session.set_predict_config(config)
        self.run_bar.say(f"Nuclei of {diameter:g} px; press {self.run_bar.start_button.text()}.")

    def _measured(self) -> float | None:
        labels = self._layers.draft.current_labels()
        if labels is None:
            return None
        diameter = median_diameter(labels, self._layers.draft.touched)
        return None if diameter is None else float(round(diameter))

    # --- maps

    def _on_maps_changed(self, sample_id: str) -> None:
        if self._layers.sample is not None and self._layers.sample.id == sample_id:
            self._on_show_maps(self.show_maps.isChecked())

    def _on_sample_shown(self, layer: Any) -> None:
        if layer is not None:
            self.segmenter.deliver()
            self._on_show_maps(self.show_maps.isChecked())

    def _on_show_maps(self, is_wanted: bool) -> None:
        sample = self._layers.sample
        if sample is not None:
            maps = self._session.maps(sample.id)
            self._layers.show_maps(sample.id, maps, visible=is_wanted)
            if is_wanted and maps is None and not self.segmenter.is_running:
                self.run_bar.say("The maps are there once the sample is segmented.")


def _find_device() -> Device:
    # It brings ONNX Runtime, which no dock should wait for when it opens.
    from napari_nucleiseg.device import describe_device

    return describe_device()


def _heading(text: str) -> QLabel:
    heading = QLabel(text)
    heading.setStyleSheet("font-weight: bold;")
    return heading
