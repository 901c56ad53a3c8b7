from __future__ import annotations

import hashlib
import io
import re
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from napari_nucleiseg import fetch
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.fetch import fetch_dsb2018
from napari_nucleiseg.progress import Progress


def packed(name: str = "a1/images/a1.png") -> bytes:
    """Pack an archive of half a megabyte that does not compress."""
    buffer = io.BytesIO()
    noise = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(20_000))
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr(name, noise)
        opened.writestr("a1/masks/1.png", b"mask")
    return buffer.getvalue()


ARCHIVE = packed()
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


class Server(ThreadingHTTPServer):
    """A server of one file, which breaks off on request.

    Attributes
    ----------
    body : bytes
    ranges : bool
        Whether it answers requests for a part with that part.
    stop_after : int or None
        Bytes after which it closes the connection.
    told_length : bool
    asked : list of str or None
        The range of each request.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = ARCHIVE
        self.ranges = self.told_length = True
        self.stop_after: int | None = None
        self.asked: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}/data/cells.zip"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        if self.path != "/data/cells.zip":
            self.send_error(404)
            return
        start = int(asked[6:-1]) if asked and server.ranges else 0
        total = len(server.body)
        if start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if server.told_length:
            self.send_header("Content-Length", str(total - start))
        self.end_headers()
        end = total if server.stop_after is None else min(total, start + server.stop_after)
        self.wfile.write(server.body[start:end])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetched(out: Path, url: str, sha256: str | None = SHA256) -> dict[str, Path]:
    *_, last = fetch_dsb2018(out, url, sha256)
    assert last.kind == "result"
    return last.values


def broken_off(out: Path, server: Server, after: int) -> Path:
    server.stop_after = after
    with pytest.raises(BadInput, match=f"broke off after {after} of .*run the same command again"):
        list(fetch_dsb2018(out, server.url, SHA256))
    server.stop_after = None
    partial = out / "cells.zip.part"
    assert partial.read_bytes() == ARCHIVE[:after]
    return partial


def test_downloads_checks_and_extracts(tmp_path: Path, server: Server) -> None:
    result = fetched(tmp_path / "new" / "out", server.url)
    assert result["archive"].read_bytes() == ARCHIVE
    assert result["folder"] == tmp_path / "new" / "out" / "cells"
    assert (result["folder"] / "a1/images/a1.png").stat().st_size == 640_000
    names = sorted(path.name for path in (tmp_path / "new" / "out").iterdir())
    assert names == ["cells", "cells.zip"]


def test_tells_its_progress_in_bytes(tmp_path: Path, server: Server) -> None:
    steps = list(fetch_dsb2018(tmp_path, server.url, SHA256))
    assert all(isinstance(step, Progress) for step in steps)
    loading = [step for step in steps if step.message == "Downloading"]
    assert len(loading) > 2
    assert [step.done for step in loading] == sorted(step.done for step in loading)
    assert (loading[0].done, loading[-1].done) == (0, len(ARCHIVE))
    assert {step.total for step in loading} == {len(ARCHIVE)}


def test_goes_on_where_it_broke_off(tmp_path: Path, server: Server) -> None:
    broken_off(tmp_path, server, 300_000)
    result = fetched(tmp_path, server.url)
    assert server.asked == [None, "bytes=300000-"]
    assert result["archive"].read_bytes() == ARCHIVE
    assert not (tmp_path / "cells.zip.part").exists()


def test_goes_on_after_it_was_cancelled(tmp_path: Path, server: Server) -> None:
    steps = fetch_dsb2018(tmp_path, server.url, SHA256)
    while next(steps).done == 0:
        pass
    steps.close()
    got = (tmp_path / "cells.zip.part").stat().st_size
    assert 0 < got < len(ARCHIVE)
    assert fetched(tmp_path, server.url)["archive"].read_bytes() == ARCHIVE
    assert server.asked[1] == f"bytes={got}-"


def test_starts_anew_where_the_server_knows_no_ranges(tmp_path: Path, server: Server) -> None:
    broken_off(tmp_path, server, 300_000)
    server.ranges = False
    assert fetched(tmp_path, server.url)["archive"].read_bytes() == ARCHIVE


def test_a_download_that_was_whole_but_not_yet_accepted(tmp_path: Path, server: Server) -> None:
    (tmp_path / "cells.zip.part").write_bytes(ARCHIVE)
    assert fetched(tmp_path, server.url)["archive"].read_bytes() == ARCHIVE
    assert len(server.asked) == 1


def test_a_part_that_is_longer_than_the_archive(tmp_path: Path, server: Server) -> None:
    (tmp_path / "cells.zip.part").write_bytes(ARCHIVE + b"and more")
    assert fetched(tmp_path, server.url)["archive"].read_bytes() == ARCHIVE


def test_a_part_of_another_archive_is_found_out_and_removed(tmp_path: Path, server: Server) -> None:
    partial = tmp_path / "cells.zip.part"
    partial.write_bytes(bytes(300_000))
    with pytest.raises(BadInput, match="is not the archive expected"):
        fetched(tmp_path, server.url)
    assert not partial.exists()
    assert fetched(tmp_path, server.url)["archive"].read_bytes() == ARCHIVE


def test_what_is_there_is_not_fetched_again(tmp_path: Path, server: Server) -> None:
    first = fetched(tmp_path, server.url)
    (first["folder"] / "a1/images/a1.png").write_bytes(b"touched")
    assert fetched(tmp_path, server.url) == first
    assert len(server.asked) == 1
    assert (first["folder"] / "a1/images/a1.png").read_bytes() == b"touched"


def test_a_wrong_hash_is_refused_before_unpacking(tmp_path: Path, server: Server) -> None:
    with pytest.raises(BadInput, match="SHA-256 is not 000000000000"):
        fetched(tmp_path, server.url, "0" * 64)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (ARCHIVE[:400_000], "no whole zip archive"),
        (ARCHIVE.replace(b"mask", b"musk", 1), "no whole zip archive"),
        (b"<html>log in first</html>", "no whole zip archive"),
        (packed("readme.txt"), "holds no <id>/images/<id>.png"),
        (packed("../images/a1.png"), "leads out of the folder"),
    ],
)
def test_without_a_hash_the_archive_itself_is_checked(
    tmp_path: Path, server: Server, body: bytes, said: str
) -> None:
    server.body = body
    with pytest.raises(BadInput, match=re.escape(said)):
        fetched(tmp_path, server.url, None)
    assert list(tmp_path.iterdir()) == []


def test_without_a_told_length_a_break_is_found_by_the_check(
    tmp_path: Path, server: Server
) -> None:
    server.told_length = False
    server.stop_after = 300_000
    with pytest.raises(BadInput, match="is not the archive expected"):
        fetched(tmp_path, server.url)
    server.stop_after = None
    assert fetched(tmp_path, server.url)["archive"].read_bytes() == ARCHIVE


def test_a_missing_archive(tmp_path: Path, server: Server) -> None:
    with pytest.raises(BadInput, match=r"gone\.zip cannot be downloaded .*404"):
        fetched(tmp_path, server.url.replace("cells", "gone"))
    assert list(tmp_path.iterdir()) == []


def test_no_network(tmp_path: Path, server: Server) -> None:
    port = server.server_port
    server.server_close()
    with pytest.raises(BadInput, match=r"cannot be reached .*check the network connection"):
        fetched(tmp_path, f"http://127.0.0.1:{port}/cells.zip")
    with pytest.raises(BadInput, match="cannot be reached"):
        fetched(tmp_path, "http://no-such-host.invalid/cells.zip")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd.zip",
        "cells.zip",
        "https://host/",
        "http://[::1/cells.zip",
        "http://host/zell\u00e9n.zip",
        "http://host:abc/cells.zip",
        "http://host:99999/cells.zip",
        "http:///cells.zip",
        "http://host/..",
    ],
)
def test_addresses_that_are_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadInput, match="is no address of an archive"):
        fetched(tmp_path, url)


def test_a_folder_that_cannot_be_written(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"cells\.zip\.part cannot be written"):
        fetched(tmp_path / "file" / "out", server.url)


def test_a_full_disk_keeps_what_fitted(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, block: bytes) -> int:  # type: ignore[override]
            if self.tell() >= 400_000:
                raise OSError(28, "No space left on device")
            return super().write(block)

    open_it = fetch._open_partial
    monkeypatch.setattr(
        fetch, "_open_partial", lambda path, append: Full(path, "ab" if append else "wb")
    )
    with pytest.raises(BadInput, match="No space left on device"):
        fetched(tmp_path, server.url)
    monkeypatch.setattr(fetch, "_open_partial", open_it)
    assert fetched(tmp_path, server.url)["archive"].read_bytes() == ARCHIVE
    assert len(server.asked) == 2
    assert server.asked[1] is not None


def test_a_virus_scanner_does_not_stop_it(
    tmp_path: Path, server: Server, virus_scanner: Counter[str]
) -> None:
    assert fetched(tmp_path, server.url)["archive"].read_bytes() == ARCHIVE
    assert len(virus_scanner) == 2, "the archive, and the folder"


def test_a_download_that_cannot_take_its_name_stays(
    tmp_path: Path, server: Server, virus_scanner: Counter[str]
) -> None:
    partial = tmp_path / "cells.zip.part"
    virus_scanner[str(partial)] = -1000
    with pytest.raises(BadInput, match=r"cells\.zip cannot be written \(Access is denied\)"):
        fetched(tmp_path, server.url)
    assert partial.read_bytes() == ARCHIVE
