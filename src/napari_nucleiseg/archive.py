"""Extracting zip archives from strangers.

An archive is looked through before anything is written, and refused as a whole if a
member would land outside the folder, is a link, or unfolds beyond measure. It is extracted
into a temporary folder that gets its name at the end, so a folder of that name is whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress

MAX_RATIO = 100
"""An archive that unfolds to more than this many times its size is refused."""
MAX_MEMBERS = 1_000_000

_MARK = ".nucleiseg-archive"
_STEP = 500
_BLOCK = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def extracted_folder(archive: Path, parent: Path) -> Path:
    """Return where `extract` puts an archive: a folder of its name in `parent`."""
    return parent / archive.stem


def extract(archive: Path, parent: Path, *, along: Sequence[Path] = ()) -> Iterator[Progress]:
    """Extract a zip archive into a folder of its name.

    Nothing is done where that was done before. Hidden files and ``__MACOSX`` are left out.

    Parameters
    ----------
    archive : Path
    parent : Path
        Made where it does not exist.
    along : sequence of Path
        Files that are copied into the folder with the archive's own.

    Yields
    ------
    Progress
        In members; the last one has the kind "result" and the folder as ``folder``.

    Raises
    ------
    BadInput
        If the archive is damaged or unsafe, the folder exists with other content, or it
        cannot be written. Nothing is left behind then.
    """
    folder = extracted_folder(archive, parent)
    with _opened(archive) as opened:
        members = checked_members(archive, opened)
        mark = _digest(members)
        if os.path.lexists(folder):
            _check_mark(archive, folder, mark)
        else:
            yield from _extract_atomically(archive, opened, members, mark, folder, along)
    yield Progress(len(members), len(members), kind="result", values={"folder": folder})


def check_archive(archive: Path) -> None:
    """Read all of an archive and compare its check sums, without extracting it.

    Raises
    ------
    BadInput
        If it is damaged or unsafe.
    """
    with _opened(archive) as opened:
        checked_members(archive, opened)
        try:
            bad = opened.testzip()
        except (*_DAMAGED, OSError) as error:
            raise _damaged(archive, error) from error
    if bad is not None:
        raise _damaged(archive, f"{bad} does not fit its check sum")


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        if not stat.S_ISREG(os.stat(archive).st_mode):
            raise BadInput(f"{archive} is not a regular file; expected a zip archive.")
        return zipfile.ZipFile(archive)
    except OSError as error:
        raise BadInput(
            f"{archive} cannot be read ({error.strerror}); check that it exists."
        ) from error
    except (*_DAMAGED, ValueError) as error:
        raise _damaged(archive, error) from error


def _damaged(archive: Path, reason: object) -> BadInput:
    return BadInput(f"{archive} is no whole zip archive ({reason}): download or copy it again.")


def checked_members(archive: Path, opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """List the files of an archive, if all of it may be extracted.

    Raises
    ------
    BadInput
        If a name leads outside, occurs twice or belongs to a link, a member is encrypted,
        or there are too many or too large ones.
    """
    infos = opened.infolist()
    for info in infos:
        reason = _unsafe(info)
        if reason:
            raise BadInput(
                f"{archive} is not extracted, because its member {info.filename[:100]!r} {reason}: "
                "get it from a source you trust."
            )
    total, size = sum(info.file_size for info in infos), archive.stat().st_size
    if total > MAX_RATIO * size or len(infos) > MAX_MEMBERS:
        raise BadInput(
            f"{archive} would unfold from {size} to {total} bytes in {len(infos)} files; at most "
            f"{MAX_RATIO} times its size and {MAX_MEMBERS} files are extracted: extract it "
            "yourself if you trust it, and open the folder."
        )
    files = [info for info in infos if not info.is_dir() and not _is_hidden(info.filename)]
    twice = len(files) - len({info.filename for info in files})
    if twice:
        raise BadInput(f"{archive} holds {twice} names twice: pack it again.")
    return files


def _unsafe(info: zipfile.ZipInfo) -> str:
    """Say why a member must not be extracted; empty where it may."""
    name, windows = PurePosixPath(info.filename), PureWindowsPath(info.filename)
    if ".." in name.parts or ".." in windows.parts:
        return "leads out of the folder"
    if name.is_absolute() or windows.drive or windows.root or not name.parts:
        return "names a place outside the folder"
    if any(ord(letter) < 32 for letter in info.filename):
        return "has control characters in its name"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    return "is encrypted" if info.flag_bits & 1 else ""


def _is_hidden(name: str) -> bool:
    return any(part == "__MACOSX" or part.startswith(".") for part in PurePosixPath(name).parts)


def _digest(members: Sequence[zipfile.ZipInfo]) -> str:
    digest = hashlib.sha256()
    for info in members:
        digest.update(f"{info.filename}\0{info.file_size}\0{info.CRC}\n".encode())
    return digest.hexdigest()


def _check_mark(archive: Path, folder: Path, mark: str) -> None:
    try:
        known = (folder / _MARK).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        known = ""
    if known != mark:
        raise BadInput(
            f"{folder} exists and does not come from {archive}: choose another folder to extract "
            "to, or open this one."
        )


def _extract_atomically(
    archive: Path,
    opened: zipfile.ZipFile,
    members: Sequence[zipfile.ZipInfo],
    mark: str,
    folder: Path,
    along: Sequence[Path],
) -> Iterator[Progress]:
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _check_space(archive, folder.parent, sum(info.file_size for info in members))
        temporary = Path(tempfile.mkdtemp(prefix=".nucleiseg-", dir=folder.parent))
        yield from _extract_members(opened, members, temporary)
        for path in along:
            shutil.copyfile(path, temporary / path.name)
        (temporary / _MARK).write_text(mark, encoding="ascii")
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(folder)
    except OSError as error:
        raise BadInput(
            f"{archive} cannot be extracted to {folder} ({error.strerror}): choose a folder that "
            "you may write to, on a disk with enough space."
        ) from error
    except _DAMAGED as error:
        raise _damaged(archive, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    """Read the mask of permissions, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _check_space(archive: Path, parent: Path, needed: int) -> None:
    free = shutil.disk_usage(parent).free
    if needed > free:
        raise BadInput(
            f"{archive} needs {needed >> 20} MB, and {parent} has {free >> 20} MB left: choose a "
            "folder on another disk."
        )


def _extract_members(
    opened: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], folder: Path
) -> Iterator[Progress]:
    for number, info in enumerate(members):
        if number % _STEP == 0:
            yield Progress(number, len(members), "Extracting")
        target = folder.joinpath(*PurePosixPath(info.filename).parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        # "x": on a disk that takes A and a for the same name, none replaces the other.
        with opened.open(info) as source, target.open("xb") as file:
            shutil.copyfileobj(source, file, _BLOCK)
