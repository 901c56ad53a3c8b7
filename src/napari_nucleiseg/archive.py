"""Extracting zip archives from strangers.

An archive is looked through before anything is written, and refused as a whole if a
member would land outside the folder, is a link, or unfolds beyond measure. It is extracted
into a temporary folder that gets its name at the end, so a folder of that name is whole.
"""

from __future__ import annotations

import copy
import hashlib
import lzma
import os
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from napari_nucleiseg.atomic import discard, retry_while_locked, stage_folder
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress

_MAX_RATIO = 100
"""An archive that unfolds to more than this many times its size is refused."""
MAX_MEMBERS = 1_000_000

_MARK = ".nucleiseg-archive"
_STEP = 500
_BLOCK = 1 << 20
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,
)
_LONGEST_NAME, _LONGEST_PATH = 255, 1000
"""Bytes in UTF-8 that file systems take as the name of a file or folder, and as a path."""
_RESERVED = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10))}


def extract(archive: Path, parent: Path, *, along: Sequence[Path] = ()) -> Iterator[Progress]:
    """Extract a zip archive into a folder of its name in `parent`.

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
    folder = parent / archive.stem
    with _opened(archive) as opened:
        members = _checked_members(archive, opened)
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
        _checked_members(archive, opened)
        try:
            bad = opened.testzip()
        except (*_DAMAGED, OSError) as error:
            raise _damaged(archive, error) from error
    if bad is not None:
        raise _damaged(archive, f"{bad} does not fit its check sum")


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        if not stat.S_ISREG(os.stat(archive).st_mode):
            raise BadInput(f"{archive} is not a regular file; expected a zip archive: name one.")
        return zipfile.ZipFile(archive)
    except OSError as error:
        raise BadInput(
            f"{archive} cannot be read ({error.strerror}); check that it exists."
        ) from error
    except (*_DAMAGED, ValueError) as error:
        raise _damaged(archive, error) from error


def _damaged(archive: Path, reason: object) -> BadInput:
    return BadInput(f"{archive} is no whole zip archive ({reason}): download or copy it again.")


def _checked_members(archive: Path, opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """List the files of an archive, if all of it may be extracted.

    Raises
    ------
    BadInput
        If a name leads outside, occurs twice or belongs to a link, a member is encrypted,
        or there are too many or too large ones.
    """
    infos = [_with_slashes(info) for info in opened.infolist()]
    for info in infos:
        reason = _unsafe(info)
        if reason:
            raise BadInput(
                f"{archive} is not extracted, because its member {info.filename[:100]!r} {reason}: "
                "get it from a source you trust, or pack it again with other names."
            )
    total, size = sum(info.file_size for info in infos), archive.stat().st_size
    if total > _MAX_RATIO * size or len(infos) > MAX_MEMBERS:
        raise BadInput(
            f"{archive} would unfold from {size} to {total} bytes in {len(infos)} files; at most "
            f"{_MAX_RATIO} times its size and {MAX_MEMBERS} files are extracted: extract it "
            "yourself if you trust it, and open the folder."
        )
    files = [info for info in infos if not info.is_dir() and not _is_hidden(info.filename)]
    clash = _clash(files)
    if clash:
        raise BadInput(
            f"{archive} holds {clash[:100]!r} twice, or as a file and as a folder: pack it again."
        )
    return files


def _with_slashes(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    # Compress-Archive of Windows PowerShell 5.1 writes Windows' separator, against the format.
    if "\\" not in info.filename:
        return info
    plain = copy.copy(info)
    plain.filename = info.filename.replace("\\", "/")
    return plain


def _clash(files: Sequence[zipfile.ZipInfo]) -> str:
    """Find a name that would be that of two files, or of a file and a folder; empty if none."""
    seen: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = set()
    for info in files:
        # As disks compare them that take A and a, or the two ways to write an accent, as one.
        parts = tuple(unicodedata.normalize("NFC", part).casefold() for part in _parts(info))
        parents = {parts[:end] for end in range(1, len(parts))}
        if parts in seen or parts in folders or not seen.isdisjoint(parents):
            return info.filename
        seen.add(parts)
        folders |= parents
    return ""


def _parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    return PurePosixPath(info.filename).parts


def _unsafe(info: zipfile.ZipInfo) -> str:
    """Say why a member must not be extracted; empty where it may."""
    name, windows = PurePosixPath(info.filename), PureWindowsPath(info.filename)
    if ".." in name.parts or ".." in windows.parts:
        return "leads out of the folder"
    if name.is_absolute() or windows.drive or windows.root or not name.parts:
        return "names a place outside the folder"
    if any(ord(letter) < 32 for letter in info.filename):
        return "has control characters in its name"
    if any(_is_odd(part) for part in name.parts):
        return "has a name that not every system can write"
    if _is_long(info.filename, _LONGEST_PATH) or any(
        _is_long(p, _LONGEST_NAME) for p in name.parts
    ):
        return "has a name too long for a disk"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    return "is encrypted" if info.flag_bits & 1 else ""


def _is_odd(part: str) -> bool:
    """Whether a name means something else on Windows."""
    return ":" in part or part[-1] in ". " or part.split(".")[0].casefold() in _RESERVED


def _is_long(name: str, limit: int) -> bool:
    return len(name.encode(errors="surrogatepass")) > limit


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
        temporary = stage_folder(folder)
        yield from _extract_members(opened, members, temporary)
        for path in along:
            shutil.copyfile(path, temporary / path.name)
        (temporary / _MARK).write_text(mark, encoding="ascii")
        retry_while_locked(os.rename, temporary, folder)
    except OSError as error:
        if os.path.lexists(folder):  # another process was faster
            _check_mark(archive, folder, mark)
            return
        raise BadInput(
            f"{archive} cannot be extracted to {folder} ({error.strerror}): choose a folder that "
            "you may write to, on a disk with enough space."
        ) from error
    except _DAMAGED as error:
        raise _damaged(archive, error) from error
    finally:
        if temporary is not None:
            discard(temporary)


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
            os.utime(folder)  # one that is at work is no leftover, however long it takes
            yield Progress(number, len(members), "Extracting")
        target = folder.joinpath(*PurePosixPath(info.filename).parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        # "x": on a disk that takes other names for the same too, none replaces the other.
        try:
            with opened.open(info) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file, _BLOCK)
        except OSError as error:
            if error.errno is not None:
                raise
            # The decoder of bzip2 says so that the data is damaged; a disk has a number for it.
            raise zipfile.BadZipFile(str(error)) from error
