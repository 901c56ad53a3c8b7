from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_nucleiseg.cli import main
from napari_nucleiseg.label_files import read_label_tif


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


def test_predict_says_where_the_label_images_are(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = str(tmp_path / "out")
    main(["predict", str(dsb_folder), "--out", out, "--model", model])
    assert capsys.readouterr().out.splitlines()[-1] == f"4 label images in {out}"
    main(["predict", "nowhere", "--out", out, "--model", model])
    assert capsys.readouterr().out == "", "no table of nothing"


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


def read_image_and_save(source: Path, target: Path) -> None:
    Image.open(source).convert("L").save(target)


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


def test_rows_and_what_was_skipped_are_printed_as_they_come(
    dsb_folder: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    """The log of one who was killed tells how far it came."""
    import napari_nucleiseg.jobs as jobs

    whole, said = jobs.predict_samples, []

    def watched(*arguments):
        for step in whole(*arguments):
            yield step
            said.append(capsys.readouterr())

    monkeypatch.setattr(jobs, "predict_samples", watched)
    images = sorted(dsb_folder.glob("*/images/*.png"))
    images[0].write_text("not a picture")
    main(["predict", str(dsb_folder), "--out", str(tmp_path / "o"), "--model", model])
    assert said[0].err.startswith(f"skipped: {images[0]}")
    rows = [told.out.splitlines()[-1].split()[0] for told in said if told.out]
    assert rows == [each.stem for each in images[1:]]
    assert "".join(told.out for told in said).count("nuclei  seconds") == 1


def test_a_stopped_batch_goes_on_where_it_was(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    command = ["predict", str(dsb_folder), "--out", str(out), "--model", model, "--skip-existing"]
    assert main(command) == 0
    missing, *others = sorted(out.iterdir())
    missing.unlink()
    times = [each.stat().st_mtime_ns for each in others]
    capsys.readouterr()
    assert main(command) == 0
    assert [each.stat().st_mtime_ns for each in others] == times
    assert missing.exists()
    *_, made, kept = capsys.readouterr().out.splitlines()
    assert made == f"1 label image in {out}"
    assert kept == "3 label images kept from before"
    assert main(command) == 0, "that nothing is left to do is no failure"
    assert main(command[:-1]) == 0
    assert others[0].stat().st_mtime_ns != times[0]


def test_a_batch_that_goes_on_with_other_settings_makes_all_anew(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["predict", str(dsb_folder), "--model", model]
    for flags in ([], ["--min-area", "2000"]):
        again = [*command, "--out", str(tmp_path / "out"), "--skip-existing", *flags]
        assert main(again) == 0
        assert "kept" not in capsys.readouterr().out
    main([*command, "--out", str(tmp_path / "afresh"), "--min-area", "2000"])
    for path in (tmp_path / "afresh").glob("*.tif"):
        fresh = read_label_tif(path)
        np.testing.assert_array_equal(read_label_tif(tmp_path / "out" / path.name), fresh)
    capsys.readouterr()
    assert main(again) == 0
    assert capsys.readouterr().out == "4 label images kept from before\n"


def test_labels_of_another_image_are_kept_from_a_batch_that_goes_on(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for number, image in enumerate(sorted(dsb_folder.glob("*/images/*.png"))[:2]):
        (tmp_path / str(number)).mkdir()
        image.rename(tmp_path / str(number) / "A01.png")
    command = ["predict", "--out", str(tmp_path / "out"), "--model", model]
    assert main([*command, str(tmp_path / "0")]) == 0
    for flags in ([], ["--skip-existing"]):
        assert main([*command, str(tmp_path / "1"), *flags]) == 1
        assert "A01.tif holds the labels of another image" in capsys.readouterr().err


def test_only_the_images_that_a_file_names_are_segmented(
    dsb_folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    name = min(dsb_folder.glob("*/images/*.png")).stem
    ids = tmp_path / "ids.txt"
    command = ["predict", str(dsb_folder), "--out", str(tmp_path / "o"), "--model", model]
    ids.write_text(f"{name}\nnobody\n")
    assert main([*command, "--ids", str(ids)]) == 3
    assert [each.stem for each in (tmp_path / "o").iterdir()] == [name]
    assert "nobody is not in the dataset" in capsys.readouterr().err
    ids.write_text("\n")
    assert main([*command, "--ids", str(ids)]) == 1
    assert "names none of the 4 images" in capsys.readouterr().err


def test_what_cannot_be_opened_is_named_also_where_ids_are_chosen(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("a\n")
    out = str(tmp_path / "out")
    assert main(["predict", "nope", "--out", out, "--model", model, "--ids", str(ids)]) == 1
    assert "nope does not exist" in capsys.readouterr().err
