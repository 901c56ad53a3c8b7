from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_nucleiseg.cli import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "nowhere", "--out", "o", "--model", "MODEL"], "nowhere does not exist"),
        (["predict", "DATA", "--out", "o", "--model", "no-such"], "no-such"),
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


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom napari_nucleiseg.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numpy','napari','cv2','keras','onnxruntime','scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture) -> None:
    assert main([]) == 2
    shown = capsys.readouterr().err
    assert "Segment cell nuclei" in shown
    assert "fetch" in shown
    assert "download a public dataset" in shown


def test_a_missing_file_to_import_is_said_before_keras_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom napari_nucleiseg.cli import main\n"
        "print(main(['import', *sys.argv[1:], '--name', 'new']), 'keras' in sys.modules)"
    )
    for name, words in (("nosuch.h5", "There is no file"), ("", "is not a plain file")):
        command = [sys.executable, "-c", code, str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == "1 False\n"
        assert done.stderr.startswith("nucleiseg: ")
        assert words in done.stderr


def test_info_names_device_and_folders(capsys: pytest.CaptureFixture) -> None:
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert "onnxruntime" in printed
    assert os.environ["NUCLEISEG_MODELS"] in printed


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


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("predict DATA --out o --tile 0", "--tile is 0; expected 128 or more."),
        ("predict DATA --out o --min-area -1", "--min-area is -1; expected 0 or more."),
        ("evaluate DATA --worst -1", "--worst is -1; expected 0 or more."),
        ("evaluate DATA --foreground 2", "--foreground is 2.0; expected 0.95 or less."),
        ("train DATA --out o --crop 100", "--crop is 100; expected a multiple of 32."),
        ("train DATA --out o --epochs 0", "--epochs is 0; expected 1 or more."),
        ("train DATA --out o --epochs 2 --steps 9", "--steps and --epochs say the same thing"),
        ("train DATA --out o --edge 64", "--edge needs --recipe"),
        ("train DATA --out o --recipe unet --edge 5", "--edge is 5; expected 64 or more."),
    ],
)
def test_a_wrong_value_is_wrong_usage_and_named_as_it_was_typed(
    command: str, words: str, dsb_folder: Path, model: str, tmp_path: Path,
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    arguments = [{"DATA": str(dsb_folder)}.get(each, each) for each in command.split()]
    if arguments[0] != "train":
        arguments += ["--model", model]
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "command", [["predict", "--out", "o"], ["train", "--out", "o"], ["evaluate"]]
)
def test_an_empty_input_is_not_the_current_folder(
    command: list[str], capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, ""])
    assert caught.value.code == 2
    assert "name a folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["predict DATA", "train DATA", "fetch dsb2018", "demo"])
def test_an_empty_folder_name_is_wrong_usage(command: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--out", ""])
    assert caught.value.code == 2
    assert "name a folder" in capsys.readouterr().err


def run_in_shell(command: str) -> subprocess.CompletedProcess[str]:
    program = f'"{sys.executable}" -m napari_nucleiseg'
    shell = ["bash", "-c", command.replace("nucleiseg", program, 1)]
    return subprocess.run(shell, capture_output=True, text=True)


@pytest.mark.skipif(sys.platform != "linux", reason="needs bash and /dev/full")
@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        ("nucleiseg info > /dev/full", 1, "nucleiseg: the output cannot be written (No space"),
        ("nucleiseg info | true; exit ${PIPESTATUS[0]}", 1, ""),
        ("nucleiseg info >&- 2>&-", 0, ""),
    ],
)
@pytest.mark.parametrize("buffered", ["", "1"])
def test_output_that_nobody_takes_is_no_crash(
    command: str, code: int, error: str, buffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", buffered)
    done = run_in_shell(command)
    assert done.returncode == code
    assert done.stderr.startswith(error)
    assert len(done.stderr.splitlines()) == bool(error)


@pytest.mark.skipif(sys.platform != "linux", reason="needs bash")
def test_without_an_error_output_the_exit_code_tells_what_was_skipped(
    dsb_folder: Path, model: str, tmp_path: Path
) -> None:
    rest = f"'{dsb_folder}' nowhere --out '{tmp_path / 'o'}' --model '{model}' 2>&-"
    assert run_in_shell(f"nucleiseg predict {rest}").returncode == 3
