from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleiseg.cli import main
from napari_nucleiseg.label_files import write_label_image


def test_evaluate_prints_a_table_and_writes_the_same_as_json(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "scores.json"
    assert main(["evaluate", str(dsb_folder), "--model", model, "--json", str(file)]) == 0
    written = json.loads(file.read_text())
    assert len(written["images"]) == 4
    printed = capsys.readouterr().out
    assert f"{written['summary']['mean']['ap'][0]:.4f}" in printed
    assert printed.index(written["images"][0]["id"]) < printed.index(written["images"][-1]["id"])


def test_evaluate_says_where_the_model_knows_the_images(
    dsb_folder: Path, model: str, capsys: pytest.CaptureFixture
) -> None:
    main(["evaluate", str(dsb_folder), "--model", model])
    assert "learned from" not in capsys.readouterr().out
    sizes = {each.stem: each.stat().st_size for each in dsb_folder.glob("*/images/*")}
    path = Path(model) / "model.json"
    info = json.loads(path.read_text())
    info["training"] = {"learned": {**sizes, next(iter(sizes)): 1}}
    path.write_text(json.dumps(info))
    main(["evaluate", str(dsb_folder), "--model", model])
    assert "3 of 4 images were learned from" in capsys.readouterr().out


def test_the_scores_in_a_file_tell_how_they_were_come_by(
    dsb_folder: Path, model: str, tmp_path: Path
) -> None:
    image = min(dsb_folder.glob("*/images/*"))
    path = Path(model) / "model.json"
    info = json.loads(path.read_text())
    sizes = {each.stem: each.stat().st_size for each in dsb_folder.glob("*/images/*")}
    path.write_text(json.dumps({**info, "training": {"learned": sizes}}))
    image.write_text("not a picture")
    file = tmp_path / "scores.json"
    command = ["evaluate", str(dsb_folder), "--model", model, "--json", str(file)]
    assert main([*command, "--diameter", "30", "--foreground", "0.6"]) == 3
    told = json.loads(file.read_text())
    assert (told["settings"]["diameter"], told["settings"]["foreground"]) == (30, 0.6)
    assert image.name in told["skipped"][0]
    assert "3 of 3 images were learned from" in told["warning"]


def test_ids_hold_blanks_and_unknown_ones_are_named(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    one = sorted(dsb_folder.iterdir())[0]
    one.rename(one.with_name("plate 3 well B07"))
    (dsb_folder / "samples.csv").unlink()
    ids = tmp_path / "ids.txt"
    command = ["evaluate", str(dsb_folder), "--model", model, "--ids", str(ids)]
    ids.write_bytes("\ufeffplate 3 well B07\r\n\r\n".encode())
    assert main(command) == 0, "as Windows' editors write it"
    ids.write_text("plate 3 well B07\n\nplate 4\n")
    capsys.readouterr()
    assert main(command) == 3
    captured = capsys.readouterr()
    assert "all (1)" in captured.out
    assert "plate 4 is not in the dataset" in captured.err


def test_ids_name_images_of_another_system(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    one = sorted(dsb_folder.iterdir())[0]
    one.rename(one.with_name(unicodedata.normalize("NFD", "Größe")))
    (dsb_folder / "samples.csv").unlink()
    ids = tmp_path / "ids.txt"
    ids.write_text("Größe\n", encoding="utf-8")
    assert main(["evaluate", str(dsb_folder), "--model", model, "--ids", str(ids)]) == 0
    assert "all (1)" in capsys.readouterr().out


def test_scores_replace_nothing_but_scores_and_need_a_folder(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    import napari_nucleiseg.jobs as jobs

    file = tmp_path / "scores.json"
    command = ["evaluate", str(dsb_folder), "--model", model, "--json"]
    assert main([*command, str(file)]) == 0
    assert main([*command, str(file)]) == 0, "its own file it replaces"
    monkeypatch.setattr(jobs, "evaluate", lambda *_: pytest.fail("it was scored"))
    notes = tmp_path / "notes.json"
    notes.write_text('{"model": "mine"}')
    for place, words in (
        (notes, "holds no scores"),
        (tmp_path, "holds no scores"),
        (tmp_path / "nowhere" / "scores.json", "does not exist"),
    ):
        assert main([*command, str(place)]) == 1
        assert words in capsys.readouterr().err
    assert notes.read_text() == '{"model": "mine"}'


def test_evaluate_prints_no_table_twice_and_none_of_nothing(
    dsb_folder: Path, model: str, capsys: pytest.CaptureFixture
) -> None:
    command = ["evaluate", str(dsb_folder), "--model", model, "--worst", "0"]
    main(command)
    with_table = capsys.readouterr().out.splitlines()
    assert len(with_table) > 2, "a row for each modality"
    (dsb_folder / "samples.csv").unlink()
    main(command)
    _header, row = capsys.readouterr().out.splitlines()
    assert row.startswith("all (4)")


def test_a_split_that_no_sample_has_is_named(
    dsb_folder: Path, model: str, capsys: pytest.CaptureFixture
) -> None:
    name = min(each.name for each in dsb_folder.iterdir() if each.is_dir())
    (dsb_folder / "samples.csv").write_text(f"id,stardist_test\n{name},1\n")
    command = ["evaluate", str(dsb_folder), "--model", model, "--split"]
    assert main([*command, "train"]) == 1
    assert "No sample is marked as train" in capsys.readouterr().err
    assert main([*command, "test"]) == 3, "the table has rows for some only"


@pytest.mark.parametrize("place", ["labels", "masks", "images/{}_masks.tif"])
def test_predictions_are_no_truth(
    place: str, dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Or a model would be judged by itself, and learn from itself."""
    images = tmp_path / "cells" / "images"
    images.mkdir(parents=True)
    for each in dsb_folder.glob("*/images/*.png"):
        each.rename(images / each.name)
    out = tmp_path / ("out" if "{}" in place else f"cells/{place}")
    command = ["predict", str(images), "--out", str(out), "--model", model]
    assert main(command) == 0
    if "{}" in place:
        for each in out.iterdir():
            each.rename(tmp_path / "cells" / place.format(each.stem))
    assert main(command) == 0, "that they are no truth is no matter here"
    dataset = str(images if "{}" in place else tmp_path / "cells")
    capsys.readouterr()
    assert main(["evaluate", dataset, "--model", model]) == 1
    error = capsys.readouterr().err
    assert error.count("and 3 more masks are predicted by a model") == 1
    assert main(["train", dataset, "--out", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert "no image to train on" in error
    assert "and 3 more masks are predicted by a model" in error


def test_a_prediction_that_another_program_has_saved_is_a_truth(
    dsb_folder: Path, model: str, tmp_path: Path
) -> None:
    images = tmp_path / "cells" / "images"
    images.mkdir(parents=True)
    for each in dsb_folder.glob("*/images/*.png"):
        each.rename(images / each.name)
    labels = tmp_path / "cells" / "labels"
    main(["predict", str(images), "--out", str(labels), "--model", model])
    corrected = min(labels.iterdir())
    tifffile.imwrite(corrected, tifffile.imread(corrected))
    file = tmp_path / "scores.json"
    command = ["evaluate", str(tmp_path / "cells"), "--model", model, "--json", str(file)]
    assert main(command) == 3
    assert [each["id"] for each in json.loads(file.read_text())["images"]] == [corrected.stem]


def test_evaluate_names_what_has_no_nuclei_and_scores_it_all_the_same(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    one = sorted(each for each in dsb_folder.iterdir() if each.is_dir())[0]
    write_label_image(one / "labels.tif", np.zeros((128, 128), np.int32))
    file = tmp_path / "scores.json"
    assert main(["evaluate", str(dsb_folder), "--model", model, "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    words = f"1 image has no nuclei in its masks ({one.name}): it counts as empty."
    assert words in printed
    assert "all (4)" in printed
    assert json.loads(file.read_text())["warning"] == words
