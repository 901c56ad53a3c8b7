from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_models import write_tiny_model

from napari_nucleiseg.cli import main
from napari_nucleiseg.label_files import read_label_tif


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(write_tiny_model(tmp_path / "tiny").folder)


def test_predict_writes_a_label_image_for_each_image(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    assert main(["predict", str(dsb_folder), "--out", str(out), "--model", model, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert len(summary["images"]) == 4
    for row in summary["images"]:
        labels = read_label_tif(out / f"{row['id']}.tif")
        assert labels.shape == (128, 128)
        assert labels.max() == row["nuclei"]


def test_thresholds_are_the_models_unless_given(
    dsb_folder: Path, model: str, tmp_path: Path
) -> None:
    def nuclei(*flags: str) -> int:
        out = tmp_path / "-".join(("out", *flags))
        main(["predict", str(dsb_folder), "--out", str(out), "--model", model, *flags])
        return sum(int(read_label_tif(each).max()) for each in out.glob("*.tif"))

    tuned = nuclei()
    assert nuclei("--foreground", "0.5", "--distance", "0.3") == tuned
    assert nuclei("--min-area", "2000") < tuned


def test_a_skipped_image_shows_in_the_exit_code_and_the_message(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    image = next(dsb_folder.glob("*/images/*.png"))
    image.write_text("not a picture")
    code = main(["predict", str(dsb_folder), "--out", str(tmp_path / "out"), "--model", model])
    assert code == 3
    captured = capsys.readouterr()
    assert image.name in captured.err
    assert len(list((tmp_path / "out").glob("*.tif"))) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "nowhere", "--out", "o", "--model", "MODEL"], "nowhere does not exist"),
        (["predict", "DATA", "--out", "o", "--model", "no-such"], "no-such"),
        (["predict", "DATA", "--out", "o", "--model", "MODEL", "--tile", "5"], "tile is 5"),
        (
            ["evaluate", "DATA", "--model", "MODEL", "--split", "test"],
            "No sample is marked as test",
        ),
        (["train", "nowhere", "--out", "o"], "nowhere does not exist"),
    ],
)
def test_bad_input_is_one_sentence_and_fails(
    arguments: list[str], words: str, dsb_folder: Path, model: str, tmp_path: Path,
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    arguments = [{"DATA": str(dsb_folder), "MODEL": model}.get(each, each) for each in arguments]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


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


def test_the_same_labels_whatever_the_tile(dsb_folder: Path, model: str, tmp_path: Path) -> None:
    for tile in ("128", "512"):
        main(
            [
                "predict",
                str(dsb_folder),
                "--out",
                str(tmp_path / tile),
                "--model",
                model,
                "--tile",
                tile,
            ]
        )
    for path in (tmp_path / "128").glob("*.tif"):
        np.testing.assert_array_equal(
            read_label_tif(path), read_label_tif(tmp_path / "512" / path.name)
        )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom napari_nucleiseg.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numpy','napari','cv2','keras','onnxruntime','scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_interrupt_keeps_what_is_done_and_says_so(
    dsb_folder: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    import napari_nucleiseg.jobs as jobs

    whole = jobs.predict_samples

    def interrupted(*arguments):
        for step in whole(*arguments):
            yield step
            if step.kind == "sample":
                raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "predict_samples", interrupted)
    assert main(["predict", str(dsb_folder), "--out", str(tmp_path / "o"), "--model", model]) == 130
    assert len(list((tmp_path / "o").glob("*.tif"))) == 1
    assert "kept" in capsys.readouterr().err


def test_info_names_device_and_folders(capsys: pytest.CaptureFixture) -> None:
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert "onnxruntime" in printed
    assert os.environ["NUCLEISEG_MODELS"] in printed


@pytest.mark.parametrize("flags", [(), ("--overlays",)])
def test_predict_replaces_no_file_that_is_no_prediction(
    flags: tuple[str, ...], dsb_folder: Path, model: str, tmp_path: Path, capsys
) -> None:
    """Not the images themselves, and not what else lies there under their names."""
    image = next(dsb_folder.glob("*/images/*.png"))
    folder = tmp_path / "flat"
    folder.mkdir()
    for suffix in (".tif", ".png"):
        read_image_and_save(image, folder / f"a{suffix}")
    source = folder / ("a.tif" if not flags else "a.png")
    before = {each: each.read_bytes() for each in folder.iterdir()}
    command = ["predict", str(source), "--model", model, *flags, "--out"]
    assert main([*command, str(folder)]) == 1
    assert "is the folder of the images" in capsys.readouterr().err
    assert {each: each.read_bytes() for each in folder.iterdir()} == before
    assert main([*command, str(tmp_path / "out")]) == 0
    assert main([*command, str(tmp_path / "out")]) == 0, "its own files it replaces"
    if flags:
        read_image_and_save(image, tmp_path / "out" / "a.png")
        assert main([*command, str(tmp_path / "out")]) == 1, "a picture of somebody else"


def test_a_name_that_is_too_long_for_a_picture_stops_no_batch(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    first = sorted(dsb_folder.glob("*/images"))[0].parent
    first.rename(dsb_folder / ("a" * 255))
    command = ["predict", str(dsb_folder), "--model", model, "--overlays"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 3
    assert "name is too long" in capsys.readouterr().err
    assert len(list((tmp_path / "out").glob("*.png"))) == 3
    assert len(list((tmp_path / "out").glob("*.tif"))) == 3


def read_image_and_save(source: Path, target: Path) -> None:
    Image.open(source).convert("L").save(target)


def test_ids_hold_blanks_and_unknown_ones_are_named(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    one = sorted(dsb_folder.iterdir())[0]
    one.rename(one.with_name("plate 3 well B07"))
    (dsb_folder / "samples.csv").unlink()
    ids = tmp_path / "ids.txt"
    command = ["evaluate", str(dsb_folder), "--model", model, "--ids", str(ids)]
    ids.write_text("plate 3 well B07\n\n")
    assert main(command) == 0
    ids.write_text("plate 3 well B07\n\nplate 4\n")
    capsys.readouterr()
    assert main(command) == 3
    captured = capsys.readouterr()
    assert "all (1)" in captured.out
    assert "plate 4 is not in the dataset" in captured.err


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


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "DATA", "--out", "FILE"],
        ["demo", "--no-window", "--out", "FILE"],
        ["predict", "DATA", "--out", "o", "--model", "~nobody-of-this-name/m"],
        ["predict", "DATA", "--out", "o", "--model", ""],
        ["fetch", "dsb2018", "--out", "o", "--url", "http://[::1/x.zip"],
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    arguments: list[str], dsb_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "file").write_text("mine")
    places = {"DATA": str(dsb_folder), "FILE": str(tmp_path / "file")}
    assert main([places.get(each, each) for each in arguments]) == 1
    assert capsys.readouterr().err.startswith("nucleiseg: ")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("command", ["predict DATA", "train DATA", "fetch dsb2018", "demo"])
def test_an_empty_folder_name_is_wrong_usage(command: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--out", ""])
    assert caught.value.code == 2
    assert "name a folder" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all names are text")
def test_a_name_that_is_no_text_is_printed_all_the_same(
    dsb_folder: Path, model: str, tmp_path: Path
) -> None:
    image = next(dsb_folder.glob("*/images/*.png"))
    odd = os.fsdecode(b"caf\xe9.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / odd).write_bytes(image.read_bytes())
    command = [sys.executable, "-m", "napari_nucleiseg.cli", "predict", str(tmp_path / "in")]
    command += ["--out", str(tmp_path / "out"), "--model", model]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, capture_output=True, text=True, env=strict)
    assert done.returncode == 0, done.stderr
    assert "caf\\udce9" in done.stdout


def test_predict_says_where_the_label_images_are(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = str(tmp_path / "out")
    main(["predict", str(dsb_folder), "--out", out, "--model", model])
    assert capsys.readouterr().out.splitlines()[-1] == f"4 label images in {out}"
    main(["predict", "nowhere", "--out", out, "--model", model])
    assert capsys.readouterr().out == "", "no table of nothing"


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
