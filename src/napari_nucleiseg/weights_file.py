"""The file of weights: an npz of plain float arrays, written and read without pickle.

An npz is a zip of npy files. Before an array is read, the zip's directory and every npy
header are checked, so that a small file cannot declare gigabytes and nothing in it can be
an object that runs code when it is read.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from napari_nucleiseg.model_check import MAX_FILE_BYTES, check_hash, open_regular, refuse

_MAX_VALUES = 25 * 10**6
MAX_ARRAYS = 5000
MAX_RATIO = 50
_MAX_DIRECTORY_BYTES = 2**20
_END = struct.Struct("<4s4H2LH")  # the record that ends a zip without a comment
_ZIP64_LOCATOR_BYTES = 20

_KEY = re.compile(r"[A-Za-z0-9_.:-]+(/[A-Za-z0-9_.:-]+)*")
_MAGIC = b"\x93NUMPY\x01\x00"
# The header exactly as numpy writes it; reading it as a pattern leaves nothing to evaluate.
_HEADER = re.compile(
    rb"\{'descr': '(<f[24])', 'fortran_order': False, "
    rb"'shape': \(((?:\d{1,9}, )*(?:\d{1,9},?)?)\), \} *\n"
)
_MAX_HEADER_BYTES = 512


def weights_to_bytes(weights: Mapping[str, np.ndarray]) -> bytes:
    """Encode weights as an npz file.

    Parameters
    ----------
    weights : mapping of str to array
        float16 or float32, by Keras' path of each weight. float16 halves the file.

    Returns
    -------
    bytes
        The same for the same weights.
    """
    buffer = io.BytesIO()
    arrays = {key: np.asarray(each, order="C") for key, each in weights.items()}
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_weights_file(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """Read a file of weights that may come from a stranger.

    Parameters
    ----------
    path : Path
    sha256 : str
        What `model.json` says of it.

    Returns
    -------
    dict of str to float32 array

    Raises
    ------
    BadInput
        If the file is not a regular one or too large, the hash differs, it is no zip of
        npy arrays, a name is odd or stands twice, an array is of another type than
        float16 and float32 or declares another size than it has, or a value is not finite.
    """
    with open_regular(path, MAX_FILE_BYTES) as file:
        check_hash(file, path, sha256)
        try:
            _check_directory_size(file)
            with zipfile.ZipFile(file) as archive:
                members = _checked_members(archive)
                return {name[:-4]: _read_array(archive, name) for name in members}
        except (ValueError, OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise refuse(path, f"is no file of weights ({error})") from error


def _check_directory_size(file: IO[bytes]) -> None:
    """Refuse a zip whose list of names alone would fill the memory."""
    tail = _END.size + _ZIP64_LOCATOR_BYTES
    file.seek(max(0, file.seek(0, io.SEEK_END) - tail))
    end = file.read(tail)
    if len(end) < _END.size or end[-_END.size :][:4] != b"PK\x05\x06":
        raise ValueError("it is no zip archive, or a truncated one")
    if end[:4] == b"PK\x06\x07":
        raise ValueError("it is an archive of the zip64 kind")
    _, _, _, _, count, size, _, _ = _END.unpack(end[-_END.size :])
    if count > MAX_ARRAYS or size > _MAX_DIRECTORY_BYTES:
        raise ValueError(f"its directory has {count} names in {size} bytes: too many")
    file.seek(0)


def _checked_members(archive: zipfile.ZipFile) -> list[str]:
    """Names of the members, after all that the zip's directory tells was checked."""
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise ValueError("an array stands there twice")
    for member in members:
        _check_member(member)
    packed = sum(member.compress_size for member in members)
    unpacked = sum(member.file_size for member in members)
    if unpacked > 4 * _MAX_VALUES + _MAX_HEADER_BYTES * len(members):
        raise ValueError(f"it unpacks to {unpacked} bytes")
    if unpacked > MAX_RATIO * packed + 2**20:
        raise ValueError(f"{packed} bytes unpack to {unpacked}")
    return names


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    key = name.removesuffix(".npy")
    if key == name or not _KEY.fullmatch(key) or ".." in key or len(key) > 200:
        raise ValueError(f"{name[:80]!r} is no name of a weight")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is packed in an unusual way")
    if member.flag_bits & 1:
        raise ValueError(f"{name} is encrypted")


def _read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    size = archive.getinfo(name).file_size
    with archive.open(name) as member:
        dtype, shape = _read_header(member, name)
        length = math.prod(shape) * dtype.itemsize
        if member.tell() + length != size:
            raise ValueError(f"{name} declares the shape {shape} and has {size} bytes")
        data = member.read(length)
        if len(data) != length or member.read(1):
            raise ValueError(f"{name} is truncated")
    array = np.frombuffer(data, dtype).reshape(shape).astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite")
    return array


def _read_header(member: IO[bytes], name: str) -> tuple[np.dtype, tuple[int, ...]]:
    start = member.read(len(_MAGIC) + 2)
    if start[: len(_MAGIC)] != _MAGIC or len(start) < len(_MAGIC) + 2:
        raise ValueError(f"{name} is no npy array of version 1")
    length = int.from_bytes(start[-2:], "little")
    match = _HEADER.fullmatch(member.read(min(length, _MAX_HEADER_BYTES)))
    if match is None or length > _MAX_HEADER_BYTES:
        raise ValueError(f"{name} is no plain array of float16 or float32")
    shape = tuple(int(each) for each in match[2].decode().replace(",", " ").split())
    return np.dtype(match[1].decode()), shape
