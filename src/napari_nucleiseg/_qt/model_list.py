"""Choosing a model: those that came with the program, those trained here, any folder."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_nucleiseg._qt.eliding_combo import ElidingCombo
from napari_nucleiseg.models import (
    Model,
    list_models,
    model_problems,
    shipped_models_folder,
    user_models_folder,
)

FROM_FOLDER = "From a folder…"


class ModelList(ElidingCombo):
    """Lists models; the first entry of each group names it.

    Attributes
    ----------
    chosen : Signal(object)
        The `Model` that the person chose from the list.
    folder_chosen : Signal(object)
        A folder that the person wants to take a model from. It is not checked yet, and
        the list goes on showing the model in use.
    """

    chosen = Signal(object)
    folder_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._current: Model | None = None
        self._others: dict[Path, Model] = {}
        self.setMinimumContentsLength(12)
        self.activated.connect(self._on_activated)
        self.refresh()

    @property
    def models(self) -> list[Model]:
        """The models on the list, in its order."""
        entries = (self.itemData(row) for row in range(self.count()))
        return [each for each in entries if isinstance(each, Model)]

    def show_model(self, model: Model | None) -> None:
        """Show which model is in use; one that is nowhere on the list is added to it."""
        self._current = model
        if model is not None and model.folder not in [each.folder for each in self.models]:
            self._others[model.folder] = model
        self.refresh()

    def refresh(self) -> None:
        """Read the folders of models again."""
        self.blockSignals(True)
        self.clear()
        self._add_group("Shipped", list_models(shipped_models_folder()))
        self._add_group("Trained here", list_models(user_models_folder()))
        self._add_group("From other folders", list(self._others.values()))
        self._add_problems(model_problems())
        self._add_note(FROM_FOLDER, "Use a model that somebody gave you.", enabled=True)
        self._select_current()
        self.blockSignals(False)

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Open the list; models that were trained meanwhile are on it."""
        self.refresh()
        super().showPopup()

    def _add_group(self, title: str, models: list[Model]) -> None:
        if not models:
            return
        self._add_note(title, "", enabled=False)
        for model in models:
            self.addItem(model.name, model)
            self.setItemData(self.count() - 1, _about(model), Qt.ItemDataRole.ToolTipRole)

    def _add_problems(self, problems: list[str]) -> None:
        if problems:
            count = len(problems)
            text = "1 folder is unusable" if count == 1 else f"{count} folders are unusable"
            self._add_note(text, "\n".join(problems), enabled=False)

    def _add_note(self, text: str, tooltip: str, *, enabled: bool) -> None:
        self.addItem(text)
        row = self.count() - 1
        self.setItemData(row, tooltip, Qt.ItemDataRole.ToolTipRole)
        self.model().item(row).setEnabled(enabled)

    def _select_current(self) -> None:
        rows = [row for row in range(self.count()) if self._is_current(self.itemData(row))]
        self.setCurrentIndex(rows[0] if rows else -1)
        self.setToolTip(_about(self._current) if self._current else "No model is in use.")

    def _is_current(self, entry: object) -> bool:
        # By folder: the one in use may have been trained further since it was read.
        return (
            isinstance(entry, Model)
            and self._current is not None
            and entry.folder == self._current.folder
        )

    def _on_activated(self, row: int) -> None:
        picked = self.itemData(row)
        self._select_current()
        if isinstance(picked, Model):
            if not self._is_current(picked):
                self.chosen.emit(picked)
        elif self.itemText(row) == FROM_FOLDER:
            self._ask_for_folder()

    def _ask_for_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a model")
        if folder:
            self.folder_chosen.emit(Path(folder))


def _about(model: Model) -> str:
    return (
        f"{model.name}: network {model.network}, trained on nuclei of about"
        f" {model.diameter:.0f} px.\n{model.folder}"
    )
