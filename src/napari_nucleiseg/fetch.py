"""Downloading the public dataset.

DSB2018's training images are set BBBC038 of the Broad Bioimage Benchmark Collection (CC0,
https://bbbc.broadinstitute.org/BBBC038).
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import IO

import certifi

from napari_nucleiseg import __version__
from napari_nucleiseg.archive import check_archive, extract
from napari_nucleiseg.atomic import retry_while_locked
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress

BBBC_URL = "https://data.broadinstitute.org/bbbc/BBBC038/stage1_train.zip"
BBBC_SHA256 = "dcb6edc2690f137406638b2309581a71522c4dff19157d118453b448dcddcb68"
"""Hash of that archive (670 images), as several projects that use it have recorded it."""

_TIMEOUT = 30.0
_BLOCK = 1 << 18
_NETWORK = (OSError, http.client.HTTPException)
_IMAGE = re.compile(r"(^|.*/)[^/]+/images/[^/]+\.png$")


def fetch_dsb2018(
    out: str | PathLike[str], url: str = BBBC_URL, sha256: str | None = BBBC_SHA256
) -> Iterator[Progress]:
    """Download DSB2018's training images, check the archive and extract it.

    A download that was cut short goes on where it stopped when this is called again. What
    was downloaded or extracted before is not fetched again.

    Parameters
    ----------
    out : path
        Gets the archive, and a folder of the archive's name.
    url : str
        Where the archive lies; http or https.
    sha256 : str or None
        Hash that the archive must have. None where it is not known: then the check sums
        of its members and its layout are all that is checked.

    Yields
    ------
    Progress
        In bytes while downloading, in files while extracting. The last one has the kind
        "result" and the paths ``archive`` and ``folder``.

    Raises
    ------
    BadInput
        If the server cannot be reached or does not have the archive, the transfer was cut
        short, the archive is not the one expected, or the disk cannot be written.
    """
    archive = Path(out) / _name_in(url)
    if not os.path.exists(archive):
        partial = archive.with_name(f"{archive.name}.part")
        yield from _download(url, partial)
        yield Progress(0, 0, "Checking the archive")
        _accept(partial, archive, sha256)
    yield from _extract(archive, Path(out))


def _name_in(url: str) -> str:
    """Read the archive's name in an address, which must be one."""
    try:
        parts = urllib.parse.urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0  # ValueError if it is no port
    except ValueError:
        has_host = False
    name = PurePosixPath(parts.path).name if has_host else ""
    if not url.isascii() or not name or name == ".." or parts.scheme not in ("http", "https"):
        raise BadInput(f"{url!r:.200} is no address of an archive; expected https://.../name.zip.")
    return name


def _extract(archive: Path, out: Path) -> Iterator[Progress]:
    for step in extract(archive, out):
        if step.kind == "result":
            values = {"archive": archive, "folder": step.values["folder"]}
            yield Progress(step.done, step.total, "Extracted", "result", values)
        else:
            yield step


# --- the transfer


def _download(url: str, partial: Path) -> Iterator[Progress]:
    """Bring the rest of the archive into a file, which stays when the transfer breaks off."""
    start = os.path.getsize(partial) if os.path.exists(partial) else 0
    response = _ask(url, start)
    if response is None:
        return
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        start = start if resumed else 0
        total = 0 if response.length is None else start + response.length
        done = start
        with _open_partial(partial, append=resumed) as file:
            yield Progress(done, total, "Downloading")
            while block := _receive(url, response, done, total):
                _keep(partial, file, block)
                done += len(block)
                yield Progress(done, total, "Downloading")
    if done < total:
        raise _broken_off(url, done, total, "the connection was closed")


def _ask(url: str, start: int) -> http.client.HTTPResponse | None:
    """Ask for the archive from a byte on; None where there is nothing after it."""
    headers = {"User-Agent": f"napari-nucleiseg/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT, context=_certificates()
        )
    except urllib.error.HTTPError as error:
        with error:
            if start and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                whole = error.headers.get("Content-Range") == f"bytes */{start}"
                return None if whole else _ask(url, 0)
            raise BadInput(
                f"{url} cannot be downloaded (the server says {error.code} {error.reason}): check "
                "the address, or try again later."
            ) from error
    except _NETWORK as error:
        raise BadInput(
            f"{url} cannot be reached ({getattr(error, 'reason', error)}): check the network "
            "connection and the proxy, and try again."
        ) from error


def _certificates() -> ssl.SSLContext:
    """Trust what this computer trusts, and certifi: Python on macOS has no list of its own."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _receive(url: str, response: http.client.HTTPResponse, done: int, total: int) -> bytes:
    try:
        return response.read(_BLOCK)
    except _NETWORK as error:
        raise _broken_off(url, done, total, error) from error


def _broken_off(url: str, done: int, total: int, reason: object) -> BadInput:
    return BadInput(
        f"The download of {url} broke off after {done} of {total or 'unknown'} bytes ({reason}): "
        "run the same command again, and it goes on from there."
    )


def _open_partial(partial: Path, *, append: bool) -> IO[bytes]:
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        return partial.open("ab" if append else "wb")
    except OSError as error:
        raise _unwritable(partial, error) from error


def _keep(partial: Path, file: IO[bytes], block: bytes) -> None:
    try:
        file.write(block)
        file.flush()
    except OSError as error:
        raise _unwritable(partial, error) from error


def _unwritable(path: Path, error: OSError) -> BadInput:
    return BadInput(
        f"{path} cannot be written ({error.strerror}): name a folder that you may write to, on a "
        "disk with enough space."
    )


# --- the check


def _accept(partial: Path, archive: Path, sha256: str | None) -> None:
    """Give a download its name if it is the archive expected; else remove it."""
    try:
        if sha256 and _sha256(partial) != sha256.lower():
            raise BadInput(
                f"The download to {archive} is not the archive expected (its SHA-256 is not "
                f"{sha256[:12]}...) and was removed: run the command again."
            )
        check_archive(partial)
        _check_layout(partial)
    except BadInput:
        partial.unlink()
        raise
    try:
        retry_while_locked(os.replace, partial, archive)
    except OSError as error:
        raise _unwritable(archive, error) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_layout(path: Path) -> None:
    with zipfile.ZipFile(path) as opened:
        if not any(_IMAGE.match(name) for name in opened.namelist()):
            raise BadInput(
                f"{path} holds no <id>/images/<id>.png and was removed: check the address."
            )
