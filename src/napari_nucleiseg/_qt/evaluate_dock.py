"""Evaluate: score a model on annotated images, and go to where it is wrong."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_nucleiseg._qt import canvas
from napari_nucleiseg._qt.eliding_combo import ElidingCombo
from napari_nucleiseg._qt.error_layer import LEGEND, ErrorLayer
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.listening import ask_calmly, calm_timer, listen
from napari_nucleiseg._qt.model_list import ModelList
from napari_nucleiseg._qt.run_bar import RunBar
from napari_nucleiseg._qt.score_grid import ScoreGrid
from napari_nucleiseg._qt.score_table import ScoreTable
from napari_nucleiseg._qt.scroll_dock import ScrollDock
from napari_nucleiseg._qt.workers import JobHandle, run_call, run_job
from napari_nucleiseg._qt.wrapped_label import WrappedLabel
from napari_nucleiseg.drawn_errors import PackedErrors, evaluate_drawn
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.learned import warn_of_known
from napari_nucleiseg.metrics import AT_50_70_90
from napari_nucleiseg.models import Model, check_model_folder
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.session import Session, session_for
from napari_nucleiseg.truth import sort_by_truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    import napari.viewer

    from napari_nucleiseg.sample import Sample

ALL, BY_HAND, TEST = "All with masks", "Corrected and approved", "Test images"
_SCORES = (
    ("AP .5", "Share of nuclei found at an IoU of .5: TP / (TP + FP + FN), mean over images."),
    ("AP .7", "The same at an IoU of .7, which asks for good outlines."),
    ("AP .9", "The same at an IoU of .9, which asks for nearly perfect outlines."),
    ("Mean AP", "Mean over the IoUs .5 to .95: the score of the Data Science Bowl 2018."),
    ("F1", "2 TP / (2 TP + FP + FN) at an IoU of .5."),
    ("Dice", "Overlap of the foreground, whatever nucleus it belongs to."),
    ("Splits", "True nuclei that were cut into several, in all images."),
    ("Merges", "Predicted nuclei that join several, in all images."),
)
_COLUMNS = (
    ("AP .5", ".2f", "Share of nuclei found at an IoU of .5."),
    ("Mean", ".2f", "Mean AP over the IoUs .5 to .95; the worst first."),
    ("True", "d", "Nuclei in the masks that the model is compared with."),
    ("Found", "d", "Nuclei that the model found."),
)
_NARROWEST = 310
_NO_MODEL = "There is no model yet: train one, or choose the folder of one in the list."
_HINT = "What the model finds is compared with the masks that are there; worst image first."
_NO_TRUTH = "Open a dataset with masks, or correct some images, first."


class EvaluateDock(ScrollDock):
    """Scores a model on the annotated images of the session's dataset.

    Parameters
    ----------
    viewer : Viewer
    session : Session, optional
        By default that of the viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer, session: Session | None = None) -> None:
        super().__init__()
        viewer = canvas.unwrapped(viewer)
        self._session = session or session_for(viewer)
        self._layers = layers_for(viewer, self._session)
        self._errors = ErrorLayer(viewer, self._layers)
        self._drawn: dict[str, PackedErrors] = {}
        self._problems: list[str] = []
        self._job: JobHandle | None = None
        self._model: Model | None = None
        self.models, self.images = ModelList(), ElidingCombo()
        self.run_bar = RunBar("Evaluate")
        self.grid, self.table = ScoreGrid(_SCORES), ScoreTable(_COLUMNS)
        self.caption, self.legend = WrappedLabel(), QLabel(LEGEND)
        self.show_errors = QCheckBox("Show the errors over the image")
        self._lay_out()
        self._later = calm_timer(self, self._show_choices)
        self._connect()
        self._use_model(self._session.model or next(iter(self.models.models), None))
        self._show_choices()

    # --- what it looks like

    def _lay_out(self) -> None:
        inside = QWidget()
        rows = QVBoxLayout(inside)
        rows.setContentsMargins(8, 6, 8, 6)
        rows.setSpacing(6)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model", self.models)
        form.addRow("Images", self.images)
        rows.addLayout(form)
        for each in (self.run_bar, self.caption, self.grid):
            rows.addWidget(each)
        rows.addWidget(self.table, stretch=1)
        rows.addWidget(self.show_errors)
        rows.addWidget(self.legend)
        self._set_up_parts()
        self.show_column(inside, _NARROWEST)

    def _set_up_parts(self) -> None:
        self.caption.setText(_HINT)
        self.legend.setWordWrap(True)
        self.table.setMinimumHeight(160)
        self.table.setToolTip("Click a row to see the image and its errors.")
        self.table.setAccessibleName("Scores of each image")
        self.show_errors.setChecked(True)

    # --- wires

    def _connect(self) -> None:
        session = self._session
        self.models.chosen.connect(self._use_model)
        self.models.folder_chosen.connect(self._on_folder_chosen)
        self.run_bar.started.connect(self._on_started)
        self.run_bar.cancelled.connect(self._on_cancelled)
        self.table.chosen.connect(self._on_row)
        self.show_errors.toggled.connect(self._show_errors)
        listen(
            self,
            (session.dataset_changed, self._on_dataset_changed),
            (session.states_read, self._show_choices_later),
            (session.state_changed, self._show_choices_later),
            (session.model_changed, self._on_model_changed),
            (self._layers.labels_layer_changed, self._show_errors),
        )

    def _on_dataset_changed(self, *_: object) -> None:
        self._on_cancelled()
        self._clear()
        self._show_choices()

    def _show_choices_later(self, *_: object) -> None:
        ask_calmly(self._later)  # they come in crowds, and each looks at all samples

    def _show_choices(self) -> None:
        chosen, choices = self.images.currentData(), self._choices()
        entries = {
            name: f"{name} ({len(samples)})"
            for name, samples in choices.items()
            if samples or name == ALL
        }
        _replace_entries(self.images, entries)
        self.images.setCurrentIndex(max(0, self.images.findData(chosen)))
        self.run_bar.set_reason(self._why_not(choices))

    def _choices(self) -> dict[str, tuple[Sample, ...]]:
        dataset = self._session.dataset
        truths = sort_by_truth(dataset.samples if dataset else (), self._session.states)
        test = tuple(each for each in truths.all if each.split == "test")
        return {ALL: truths.all, BY_HAND: truths.by_hand, TEST: test}

    def _why_not(self, choices: dict[str, tuple[Sample, ...]]) -> str:
        if self._model is None:
            return _NO_MODEL
        return "" if choices[ALL] else _NO_TRUTH

    # --- model

    def _use_model(self, model: Model | None) -> None:
        self._model = model
        self.models.show_model(model)
        self.run_bar.set_reason(self._why_not(self._choices()))

    def _on_model_changed(self, model: Model | None) -> None:
        if model is not None and not self.run_bar.is_running:
            self._use_model(model)

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
        self.run_bar.say(f"{model.name} can be evaluated now.")
        self._use_model(model)

    # --- running

    def _on_started(self) -> None:
        samples = [
            self._session.placed(each) for each in self._choices()[self.images.currentData()]
        ]
        if self._model is None or not samples:
            return
        self._clear()
        self.run_bar.begin(f"Evaluating {self._model.name}")
        job = partial(evaluate_drawn, self._model, samples, self._session.predict_config)
        self._job = run_job(
            job,
            on_progress=self._on_progress,
            on_result=partial(self._on_result, self._model),
            on_error=self._on_error,
            on_end=self._on_end,
            owner=self,
        )

    def _clear(self) -> None:
        self._drawn.clear()
        self._problems.clear()
        self._errors.remove()
        self.table.show_rows([])
        self.grid.show_values({})
        self.caption.setText(_HINT)

    def _on_progress(self, step: Progress) -> None:
        if step.kind == "sample":
            self._drawn[step.values["id"]] = step.values["drawn"]
        elif step.kind == "problem":
            self._problems.append(step.values["error"])
        self.run_bar.show_progress(step)

    def _on_result(self, model: Model, step: Progress | None) -> None:
        if step is None:
            return
        values = step.values
        self.table.show_rows([_row(each) for each in values["images"]])
        self.grid.show_values(_in_words(values["summary"]))
        count = values["summary"]["images"]
        caption = f"<b>{model.name}</b> on {_images(count)}, worst first"
        warning = self._warning(model, values["images"])
        self.caption.setText(f"{caption}. {warning}" if warning else caption)
        self.run_bar.end(_end_in_words(self._problems))
        self._show_errors()

    def _warning(self, model: Model, images: list[dict[str, Any]]) -> str:
        dataset, session = self._session.dataset, self._session
        scored = [session[each["id"]] for each in images if each["id"] in session]
        return warn_of_known(model, dataset.root, scored) if dataset else ""

    def _on_error(self, error: BadInput) -> None:
        self.run_bar.fail(str(error))

    def _on_end(self) -> None:
        self._job = None
        if self.run_bar.is_running:
            self.run_bar.end("Stopped.")

    def _on_cancelled(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self.run_bar.say("Stopping")

    # --- going to an image

    def _on_row(self, sample_id: str) -> None:
        if sample_id in self._session:
            self._session.select(sample_id)  # its errors come with its layer

    def _show_errors(self, *_: object) -> None:
        sample = self._layers.sample
        if sample is None:
            self._errors.remove()
            return
        packed = self._drawn.get(sample.id) if self.show_errors.isChecked() else None
        self.table.select(sample.id)
        self._errors.show(sample.id, packed.unpack() if packed else None)

    def let_go(self) -> None:
        """Take the errors away: nothing else would."""
        self._errors.remove()


def _replace_entries(box: QComboBox, entries: Mapping[str, str]) -> None:
    """Show other texts by their data, in place: a list that is open stays as it is."""
    for row in reversed(range(box.count())):
        if box.itemData(row) not in entries:
            box.removeItem(row)
    for row, (data, text) in enumerate(entries.items()):
        if box.itemData(row) == data:
            box.setItemText(row, text)
        else:
            box.insertItem(row, text, data)


def _row(image: dict[str, Any]) -> tuple[str, float, float, int, int]:
    ap_50 = image["ap"][AT_50_70_90[0]]
    return image["id"], ap_50, image["mean_ap"], image["n_true"], image["n_pred"]


def _in_words(summary: dict[str, Any]) -> dict[str, str]:
    mean, pooled = summary["mean"], summary["pooled"]
    ap_50, ap_70, ap_90 = (mean["ap"][place] for place in AT_50_70_90)
    scores = {
        "AP .5": ap_50,
        "AP .7": ap_70,
        "AP .9": ap_90,
        "Mean AP": mean["mean_ap"],
        "F1": mean["f1"],
        "Dice": mean["dice"],
    }
    words = {name: f"{value:.3f}" for name, value in scores.items()}
    return {**words, "Splits": str(pooled["splits"]), "Merges": str(pooled["merges"])}


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _end_in_words(problems: list[str]) -> str:
    if not problems:
        return "Click a row to see where the model is wrong."
    return f"{_images(len(problems))} could not be scored: {problems[0]}"
