from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from tiny_models import write_tiny_model

from napari_nucleiseg._qt.model_list import FROM_FOLDER, ModelList
from napari_nucleiseg.models import user_models_folder


@pytest.fixture
def models(qtbot: QtBot) -> ModelList:
    write_tiny_model(user_models_folder() / "mine")
    models = ModelList()
    qtbot.addWidget(models)
    return models


def press(models: ModelList, text: str) -> None:
    """As a click on an entry of the open list does."""
    row = models.findText(text)
    models.setCurrentIndex(row)
    models.activated.emit(row)


def test_a_model_trained_meanwhile_is_there_when_the_list_opens(models: ModelList) -> None:
    assert "mine" in [each.name for each in models.models]
    write_tiny_model(user_models_folder() / "newer")
    models.showPopup()
    assert "newer" in [each.name for each in models.models]
    models.hidePopup()


def test_choosing_says_which_and_shows_the_old_one_until_it_is_in_use(models: ModelList) -> None:
    chosen = []
    models.chosen.connect(chosen.append)
    assert models.currentIndex() == -1
    press(models, "mine")
    assert [each.name for each in chosen] == ["mine"]
    assert models.currentIndex() == -1
    models.show_model(chosen[0])
    assert models.currentText() == "mine"
    press(models, "mine")
    assert len(chosen) == 1


def test_a_model_from_elsewhere_joins_the_list(models: ModelList, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "gift")
    models.show_model(model)
    models.show_model(models.models[0])
    assert "gift" in [each.name for each in models.models]
    assert models.currentText() != "gift"


def test_asking_for_a_folder_keeps_the_model_in_use_on_show(
    models: ModelList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = next(each for each in models.models if each.name == "mine")
    models.show_model(mine)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path))
    folders = []
    models.folder_chosen.connect(folders.append)
    press(models, FROM_FOLDER)
    assert folders == [tmp_path]
    assert models.currentText() == "mine"


def test_an_unusable_folder_says_why(models: ModelList) -> None:
    (user_models_folder() / "torn").mkdir()
    (user_models_folder() / "torn" / "model.json").write_text("{")
    models.refresh()
    row = models.findText("1 folder is unusable")
    assert "torn" in models.itemData(row, Qt.ItemDataRole.ToolTipRole)
    assert not models.model().item(row).isEnabled()
