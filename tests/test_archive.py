from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections import Counter, namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_nucleiseg import archive
from napari_nucleiseg.archive import check_archive, extract
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress

GOOD = {"a/images/a.png": b"image", "a/masks/1.png": b"mask", "b/images/b.png": b"other"}


def zipped(path: Path, members: dict[str, bytes], **options: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", **options) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return path


def extracted(path: Path, parent: Path) -> Path:
    *_, last = extract(path, parent)
    assert last.kind == "result"
    return Path(last.values["folder"])


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def assert_refused(path: Path, out: Path, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        list(extract(path, out))
    assert str(path) in str(caught.value)
    assert not out.exists() or not list(out.iterdir()), "nothing is left behind"


def test_extracts_into_a_folder_of_its_name(tmp_path: Path) -> None:
    folder = extracted(zipped(tmp_path / "nuclei.zip", GOOD), tmp_path / "new" / "out")
    assert folder == tmp_path / "new" / "out" / "nuclei"
    assert contents(folder) == GOOD
    assert [path.name for path in folder.parent.iterdir()] == ["nuclei"]


def test_a_virus_scanner_does_not_stop_it(tmp_path: Path, virus_scanner: Counter[str]) -> None:
    folder = extracted(zipped(tmp_path / "nuclei.zip", GOOD), tmp_path / "out")
    assert contents(folder) == GOOD
    assert virus_scanner


def test_tells_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_STEP", 1)
    steps = list(extract(zipped(tmp_path / "a.zip", GOOD), tmp_path / "out"))
    assert [(step.done, step.total) for step in steps] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert all(isinstance(step, Progress) for step in steps)


def test_two_at_once_end_with_the_same_folder(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "data.zip", GOOD)
    slow = extract(archive, tmp_path)
    next(slow)
    *_, first = extract(archive, tmp_path)
    *_, second = slow
    assert second.values["folder"] == first.values["folder"]


def test_is_not_extracted_again(tmp_path: Path) -> None:
    path, out = zipped(tmp_path / "a.zip", GOOD), tmp_path / "out"
    (extracted(path, out) / "a/images/a.png").write_bytes(b"touched")
    assert contents(extracted(path, out))["a/images/a.png"] == b"touched"


@pytest.mark.parametrize("members", [{"c/images/c.png": b"c"}, {**GOOD, "a/masks/1.png": b"MASK"}])
def test_another_archive_of_the_same_name_does_not_replace_a_folder(
    tmp_path: Path, members: dict[str, bytes]
) -> None:
    """Not even one whose files have the same names and sizes."""
    out = tmp_path / "out"
    folder = extracted(zipped(tmp_path / "one" / "a.zip", GOOD), out)
    with pytest.raises(BadInput, match="does not come from"):
        list(extract(zipped(tmp_path / "two" / "a.zip", members), out))
    assert contents(folder) == GOOD


def test_a_folder_of_the_person_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out" / "a").mkdir(parents=True)
    with pytest.raises(BadInput, match="choose another folder"):
        list(extract(zipped(tmp_path / "a.zip", GOOD), tmp_path / "out"))


def test_folders_of_a_zip_made_by_windows_powershell_are_folders(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {})
    with zipfile.ZipFile(path, "w") as opened:
        for name, data in {"a/images/": b"", **GOOD}.items():
            info = zipfile.ZipInfo()
            info.filename = name.replace("/", "\\")
            opened.writestr(info, data)
    check_archive(path)
    assert contents(extracted(path, tmp_path / "out")) == GOOD
    assert contents(extracted(path, tmp_path / "out")) == GOOD, "it is known again"


def test_hidden_files_and_those_of_macos_are_left_out(tmp_path: Path) -> None:
    members = {**GOOD, "__MACOSX/a/._a.png": b"x", ".DS_Store": b"x", "a/.hidden/b.png": b"x"}
    assert contents(extracted(zipped(tmp_path / "a.zip", members), tmp_path / "out")) == GOOD


def test_files_go_along(tmp_path: Path) -> None:
    (tmp_path / "samples.csv").write_text("id\n")
    path = zipped(tmp_path / "a.zip", GOOD)
    list(extract(path, tmp_path / "out", along=[tmp_path / "samples.csv"]))
    assert (tmp_path / "out/a/samples.csv").read_text() == "id\n"


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "a/../../evil.png",
        "/evil.png",
        "C:/evil.png",
        "C:evil.png",
        "..\\evil.png",
        "\\\\host\\share\\evil.png",
        "a\n.png",
    ],
)
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "a.zip", {**GOOD, name: b"evil"})
    assert_refused(path, tmp_path / "out", "is not extracted")
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as opened:
        info = zipfile.ZipInfo("a/images/a.png")
        info.create_system, info.external_attr = 3, (kind | 0o777) << 16
        opened.writestr(info, "/etc/passwd")
    assert_refused(path, tmp_path / "out", "is a link or a device")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    bomb = {"a/images/a.png": bytes(1_000_000)}
    path = zipped(tmp_path / "a.zip", bomb, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size * 100 < 1_000_000
    assert_refused(path, tmp_path / "out", "would unfold")


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    assert_refused(zipped(tmp_path / "a.zip", GOOD), tmp_path / "out", "in 3 files")


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    """The directory says 5 bytes; the data unfolds to a million."""
    path = zipped(tmp_path / "a.zip", {"a.png": bytes(1_000_000)}, compression=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 5)
    path.write_bytes(data)
    assert_refused(path, tmp_path / "out", "no whole zip archive")


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", GOOD)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert_refused(path, tmp_path / "out", "is encrypted")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", GOOD)
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("a/images/a.png", b"again")
    assert_refused(path, tmp_path / "out", "images/a.png' twice")


def test_a_truncated_archive_and_a_text_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", GOOD)
    data = path.read_bytes()
    for bad in (data[:-30], b"hello", b""):
        path.write_bytes(bad)
        assert_refused(path, tmp_path / "out", "no whole zip archive")


def damaged(path: Path) -> Path:
    data = bytearray(zipped(path, GOOD).read_bytes())
    data[data.index(b"other")] ^= 1
    path.write_bytes(data)
    return path


def test_a_damaged_member_leaves_nothing_behind(tmp_path: Path) -> None:
    assert_refused(damaged(tmp_path / "a.zip"), tmp_path / "out", "no whole zip archive")


def test_checking_reads_all_members_and_extracts_none(tmp_path: Path) -> None:
    check_archive(zipped(tmp_path / "good.zip", GOOD))
    with pytest.raises(BadInput, match=r"b/images/b\.png does not fit its check sum"):
        check_archive(damaged(tmp_path / "bad.zip"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.zip", "good.zip"]


def test_a_full_disk_is_noticed_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")(3)
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: usage)
    assert_refused(zipped(tmp_path / "a.zip", GOOD), tmp_path / "out", "MB left")


def test_a_disk_that_fills_up_on_the_way_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.shutil, "copyfileobj", full)
    assert_refused(zipped(tmp_path / "a.zip", GOOD), tmp_path / "out", "No space left on device")


def test_a_cancelled_extraction_leaves_nothing_behind(tmp_path: Path) -> None:
    steps = extract(zipped(tmp_path / "a.zip", GOOD), tmp_path / "out")
    next(steps)
    steps.close()
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_killed_extraction_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    path, out = zipped(tmp_path / "a.zip", GOOD), tmp_path / "out"
    left, theirs = out / ".a.999999999-0123abcd.tmp", out / ".a.old"
    for each in (left, theirs):
        (each / "b").mkdir(parents=True)
        os.utime(each, (0, 0))
    extracted(path, out)
    assert {each.name for each in out.iterdir()} == {"a", theirs.name}


def test_two_extractions_at_once_leave_each_other_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that went on for hours is no leftover to another."""
    monkeypatch.setattr(archive, "_STEP", 1)
    path, out = zipped(tmp_path / "a.zip", GOOD), tmp_path / "out"
    first = extract(path, out)
    next(first)
    next(first)
    (staged,) = out.iterdir()
    os.utime(staged, (0, 0))
    next(first)  # in a folder below, which leaves the time of this one as it is
    next(extract(path, out))
    assert contents(Path(list(first)[-1].values["folder"])) == GOOD


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_folder_is_open_to_whom_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        folder = extracted(zipped(tmp_path / "a.zip", GOOD), tmp_path / "out")
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o775


@pytest.mark.parametrize(
    "names",
    [
        ("images//a.png", "images/a.png"),
        ("images/./a.png", "images/a.png"),
        ("A.png", "a.png"),
        ("Images/a.png", "images/A.png"),
        ("\u00e9.png", "e\u0301.png"),
        ("a", "a/b.png"),
        ("a/b/c.png", "A/B"),
    ],
)
def test_names_that_some_disks_take_for_one_are_refused(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    path = zipped(tmp_path / "a.zip", dict.fromkeys(names, b"1"))
    assert_refused(path, tmp_path / "out", "twice, or as a file and as a folder: pack it again")


@pytest.mark.parametrize(
    "name",
    ["con.png", "images/AUX", "a/com1.tar.gz", "a.png:evil", "images./a.png", "images /a.png"],
)
def test_names_that_mean_something_else_on_windows_are_refused(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "a.zip", {name: b"1"})
    assert_refused(path, tmp_path / "out", "not every system can write.*other names")


@pytest.mark.parametrize("name", ["x" * 252 + ".png", "\u00e9" * 128, "/".join(["d" * 200] * 6)])
def test_names_that_are_too_long_are_refused_with_a_remedy_that_helps(
    tmp_path: Path, name: str
) -> None:
    path = zipped(tmp_path / "a.zip", {name: b"1"})
    assert_refused(path, tmp_path / "out", "too long.*other names")


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_was_spoiled_is_called_damaged(tmp_path: Path, packing: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("a/images/a.png", bytes(range(256)) * 4, compress_type=packing)
    data = bytearray(path.read_bytes())
    for place in range(data.find(b"a.png") + 14, data.find(b"a.png") + 60):
        data[place] ^= 0xA5
    path.write_bytes(data)
    assert_refused(path, tmp_path / "out", "no whole zip archive")
    with pytest.raises(BadInput, match="no whole zip archive"):
        check_archive(path)


@pytest.mark.parametrize("find", [bytes.find, bytes.rfind], ids=["member", "directory"])
def test_a_name_that_is_no_text_is_called_damaged(tmp_path: Path, find: Callable) -> None:
    path = zipped(tmp_path / "a.zip", {"\u00e9.png": b"1"})
    data = path.read_bytes()
    place = find(data, "\u00e9".encode())
    path.write_bytes(data[:place] + b"\xff\xff" + data[place + 2 :])
    assert_refused(path, tmp_path / "out", "no whole zip archive")
