from __future__ import annotations

import hashlib
import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.weights_file import MAX_ARRAYS, read_weights_file, weights_to_bytes


def read(path: Path, data: bytes) -> dict[str, np.ndarray]:
    path.write_bytes(data)
    return read_weights_file(path, hashlib.sha256(data).hexdigest())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.npz"


def npy(array: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npz(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def header(shape: str, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def refused(path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(BadInput, match=reason) as caught:
        read(path, data)
    assert str(path) in str(caught.value)


WEIGHTS = {
    "Conv1/kernel": np.arange(3 * 3 * 3 * 4, dtype=np.float32).reshape(3, 3, 3, 4),
    "bn_Conv1/moving_mean": np.array([1.5, -2, 0, 4], np.float16),
    "step": np.array(3, np.float32),
    "nothing": np.zeros((0, 4), np.float32),
    "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
}


def test_weights_come_back_as_float32(path: Path) -> None:
    back = read(path, weights_to_bytes(WEIGHTS))
    assert list(back) == list(WEIGHTS)
    for name, array in WEIGHTS.items():
        assert back[name].dtype == np.float32
        np.testing.assert_array_equal(back[name], array.astype(np.float32))
        back[name] += 1  # writeable


def test_the_same_weights_give_the_same_file() -> None:
    assert weights_to_bytes(WEIGHTS) == weights_to_bytes(dict(WEIGHTS))


def test_packed_files_are_read_too(path: Path) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).normal(size=(50, 50)).astype(np.float32)
    np.savez_compressed(buffer, **{"a/kernel": noise})
    np.testing.assert_array_equal(read(path, buffer.getvalue())["a/kernel"], noise)


def test_no_file_of_objects_is_written() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        weights_to_bytes({"a": np.array([{}], object)})


class Payload:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("payload-ran"),))


def test_pickled_objects_are_refused_and_do_not_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    array = npy(np.array([Payload()], object), allow_pickle=True)
    refused(path, npz({"a.npy": array}), "no plain array")
    refused(path, npz({"a.npy": pickle.dumps(Payload())}), "no npy array")
    refused(path, npz({"a.npy": header("(1,)", "'|O'") + pickle.dumps(Payload())}), "no plain")
    assert not (tmp_path / "payload-ran").exists()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(3, np.int32),
        np.zeros(3, np.float64),
        np.zeros(3, ">f4"),
        np.zeros(3, [("a", "<f4")]),
        np.array(["text"]),
        np.asfortranarray(np.zeros((3, 4), np.float32)),
    ],
)
def test_other_kinds_of_arrays(path: Path, array: np.ndarray) -> None:
    refused(path, npz({"a.npy": npy(array)}), "no plain array")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_values_that_are_not_finite(path: Path, value: float, dtype: type) -> None:
    array = np.zeros((4, 4), dtype)
    array[2, 2] = value
    refused(path, weights_to_bytes({"good": np.ones(2, dtype), "bad": array}), "bad.npy has values")


@pytest.mark.parametrize(
    "shape",
    ["(536870912,)", "(32768, 16384)", "(999999999, 999999999, 999999999, 4)", "(9, 9)", "(2,)"],
)
def test_a_shape_of_another_size_than_the_data(path: Path, shape: str) -> None:
    data = npz({"a.npy": header(shape) + bytes(12)})
    refused(path, data, "declares the shape")


@pytest.mark.parametrize(
    "text",
    ["(" * 200 + ")" * 200, "(-1,)", "(1e9,)", "(True,)", "(9999999999999,)", "[3]", "3", "(3)(4)"],
)
def test_odd_headers(path: Path, text: str) -> None:
    refused(path, npz({"a.npy": header(text) + bytes(12)}), "no plain array|declares the shape")


def test_a_header_that_is_code(path: Path) -> None:
    refused(path, npz({"a.npy": header("(__import__('os').abort(),)")}), "no plain array")


def test_a_header_longer_than_the_file(path: Path) -> None:
    refused(path, npz({"a.npy": b"\x93NUMPY\x01\x00\xff\xff{"}), "no plain array")


@pytest.mark.parametrize("start", [b"", b"\x93NUMPY\x02\x00", b"\x93NUMPY", b"PK"])
def test_no_npy_array(path: Path, start: bytes) -> None:
    refused(path, npz({"a.npy": start}), "no npy array")


@pytest.mark.parametrize(
    "name",
    [
        "../a.npy",
        "/etc/a.npy",
        "a//b.npy",
        "a.txt",
        ".npy",
        "a\\b.npy",
        "a b.npy",
        "x" * 300 + ".npy",
    ],
)
def test_odd_names(path: Path, name: str) -> None:
    refused(path, npz({name: npy(np.zeros(2, np.float32))}), "no name of a weight")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_stands_there_twice(path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for _ in range(2):
            archive.writestr("a.npy", npy(np.zeros(2, np.float32)))
    refused(path, buffer.getvalue(), "twice")


def test_a_bomb_of_zeros(path: Path) -> None:
    array = npy(np.zeros(5_000_000, np.float32))
    refused(path, npz({"a.npy": array}, zipfile.ZIP_DEFLATED), "bytes unpack to 20000128")


def test_more_values_than_any_network_has(path: Path) -> None:
    """Only declared: the zip's directory is made to lie."""
    data = bytearray(npz({"a.npy": npy(np.zeros(2, np.float32))}))
    directory = data.index(b"PK\x01\x02")
    struct.pack_into("<L", data, directory + 24, 2**31)
    refused(path, bytes(data), "it unpacks to 2147483648 bytes")


def test_a_directory_that_understates_the_size(path: Path) -> None:
    data = bytearray(npz({"a.npy": npy(np.zeros(1000, np.float32))}, zipfile.ZIP_DEFLATED))
    directory = data.index(b"PK\x01\x02")
    struct.pack_into("<L", data, directory + 24, 200)
    refused(path, bytes(data), "Bad CRC-32|declares the shape")


def test_damaged_data(path: Path) -> None:
    """The zip keeps a checksum of every array."""
    data = bytearray(weights_to_bytes({"a": np.ones(100, np.float32)}))
    data[data.index(b"PK\x01\x02") - 10] ^= 1
    refused(path, bytes(data), "Bad CRC-32")


def test_every_truncation(path: Path) -> None:
    data = weights_to_bytes({"a": np.ones(30, np.float32), "b": np.ones((2, 2), np.float16)})
    for length in range(0, len(data), 7):
        refused(path, data[:length], "no zip archive|no file of weights")


def test_encrypted_members(path: Path) -> None:
    data = bytearray(npz({"a.npy": npy(np.zeros(2, np.float32))}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    refused(path, bytes(data), "encrypted")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_packing(path: Path, compression: int) -> None:
    refused(path, npz({"a.npy": npy(np.zeros(2, np.float32))}, compression), "unusual way")


def test_a_directory_of_too_many_names(path: Path) -> None:
    members = {f"{index}.npy": b"" for index in range(MAX_ARRAYS + 1)}
    refused(path, npz(members), "too many")


def test_a_directory_in_the_zip64_form(path: Path) -> None:
    end = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    data = npz({"a.npy": npy(np.zeros(2, np.float32))})
    at = data.index(b"PK\x05\x06")
    refused(path, data[:at] + end + data[at:], "zip64")


@pytest.mark.parametrize("data", [b"", b"x", b"hello " * 100, b"PK\x05\x06" + bytes(17)])
def test_no_zip(path: Path, data: bytes) -> None:
    refused(path, data, "no zip archive")


def test_another_file_than_the_folder_was_made_with(path: Path) -> None:
    path.write_bytes(weights_to_bytes(WEIGHTS))
    with pytest.raises(BadInput, match="hash differs"):
        read_weights_file(path, "0" * 64)
