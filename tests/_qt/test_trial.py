"""The trial of a new model; what was trained is a tiny model that was written by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from qtpy.QtCore import QObject, Qt
from showing import FIRST
from tiny_models import bright_blobs, write_tiny_model

from napari_nucleiseg._qt.trial import Trial
from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.models import user_models_folder, write_model


@pytest.fixture
def desk(shown, qtbot, tmp_path):
    """A trial over the three samples of `shown`, of a model that held the first one out."""
    session = shown.session
    write_tiny_model(user_models_folder() / "old one")
    session.set_model("old one")
    trained = write_model(
        tmp_path / "run" / "model",
        network="nuclei",
        weights={},
        graph=bright_blobs().SerializeToString(),
        decode=DecodeConfig(foreground=0.5, distance=0.3),
        diameter=20.0,
        name="new one",
        training={"split": {"train": ["b", "c"], "validation": ["a"]}},
    )
    parent = QObject()
    trial = Trial(session, parent)
    for widget in (trial.gate, trial.back):
        qtbot.addWidget(widget)
    decided: list[str] = []
    trial.decided.connect(decided.append)
    return SimpleNamespace(
        trial=trial,
        session=session,
        trained=trained.folder,
        decided=decided,
        parent=parent,
        press=lambda button: qtbot.mouseClick(button, Qt.MouseButton.LeftButton),
    )


def compare(desk, start=None):
    sample = desk.session.dataset.samples[FIRST]
    steps = list(desk.trial.comparison(desk.trained, start, (sample,))())
    return [step.kind for step in steps if not desk.trial.take(step)]


def use(desk, qtbot):
    desk.press(desk.trial.gate.use)
    qtbot.waitUntil(lambda: bool(desk.decided), timeout=30_000)


def test_a_new_model_is_compared_on_what_neither_has_learned_from(desk):
    assert not desk.trial.has_model
    compare(desk)
    assert desk.trial.has_model
    assert desk.trial.gate.table.ids == ["a"]
    old, new, _ = desk.trial.gate.cells["AP .5"]
    assert (old.text(), new.text()) == ("1.000", "1.000")
    assert desk.session.model.name == "old one", "nobody has agreed yet"


def test_a_model_that_is_used_is_kept_and_the_old_one_is_a_click_away(desk, qtbot):
    heard: list[str] = []
    desk.trial.went_back.connect(heard.append)
    compare(desk)
    use(desk, qtbot)
    assert desk.session.model.name == "new one"
    assert desk.session.model.folder.parent == user_models_folder()
    assert is_decided(desk)
    assert desk.decided == ["new one is in use now."]
    assert not desk.trial.back.isHidden()
    desk.press(desk.trial.back)
    assert desk.session.model.name == "old one"
    assert heard == ["old one is in use again."]
    assert desk.trial.back.isHidden()


def is_decided(desk):
    """Else the model is offered again when napari is opened the next time."""
    return (desk.trained.parent / "decided").exists()


def test_a_model_that_is_refused_changes_nothing(desk):
    compare(desk)
    assert not is_decided(desk)
    desk.press(desk.trial.gate.keep)
    assert desk.decided == ["old one stays in use."]
    assert is_decided(desk)
    assert desk.session.model.name == "old one"
    assert not (user_models_folder() / "new one").exists()
    assert desk.trial.back.isHidden()


def test_an_old_model_that_is_gone_is_said(desk, qtbot):
    failed: list[str] = []
    desk.trial.failed.connect(failed.append)
    compare(desk)
    use(desk, qtbot)
    (user_models_folder() / "old one" / "model.json").unlink()
    desk.press(desk.trial.back)
    assert len(failed) == 1
    assert "old one" in failed[0]
    assert desk.session.model.name == "new one"


def test_what_cannot_be_compared_is_said_and_may_still_be_used(desk, qtbot):
    desk.session.model.info["training"] = {"split": {"train": ["a"]}}
    compare(desk)
    assert "No image was held out" in desk.trial.gate.verdict.text()
    use(desk, qtbot)
    assert desk.session.model.name == "new one"


def test_a_row_opens_its_image(desk, shown, qtbot):
    desk.session.select("b")
    compare(desk)
    desk.trial.gate.table.selectRow(0)
    qtbot.waitUntil(lambda: shown.sample is not None and shown.sample.id == "a")


def test_a_new_training_forgets_the_model_before(desk, qtbot):
    compare(desk)
    use(desk, qtbot)
    desk.trial.forget()
    assert not desk.trial.has_model
    assert desk.trial.back.isHidden()
    desk.press(desk.trial.gate.use)
    assert len(desk.decided) == 1, "there is nothing to use"
