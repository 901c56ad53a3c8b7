from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.backend.common.global_state import set_global_attribute

from napari_nucleiseg.config import NETWORKS
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.nn.h5_weights import MAX_OBJECTS, read_h5, write_h5
from napari_nucleiseg.nn.networks import build_network
from napari_nucleiseg.nn.weights import weights_of

BIAS = "model_weights/head_logits/head_logits/bias"


def peak_memory() -> int:
    """Kilobytes that this process has held at most; 0 on Windows, which does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "unet.h5"
    write_h5(path, "unet", weights_of(build_network("unet")))
    return path


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all((one[key] == other[key]).all() for key in one)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("suffix", [".h5", ".weights.h5"])
def test_weights_come_back_as_they_went(tmp_path: Path, network: str, suffix: str) -> None:
    model, path = build_network(network), tmp_path / f"made{suffix}"
    for number, each in enumerate(model.weights):  # some start alike: zeros and ones
        each.assign_add(np.full(each.shape, number, np.float32))
    (model.save_weights if suffix == ".weights.h5" else model.save)(path)
    name, weights = read_h5(path)
    assert name == network
    assert same(weights, weights_of(model))


def test_keras_loads_what_is_written(good: Path) -> None:
    model = keras.models.load_model(good)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    ours = build_network("unet")
    for each, value in zip(ours.weights, model.weights, strict=True):
        each.assign(value)
    np.testing.assert_allclose(model(image), ours(image), atol=1e-5)
    assert same(read_h5(good)[1], weights_of(ours))


def test_a_file_of_weights_without_the_model_and_with_old_names_is_read(
    good: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bare.h5"
    with h5py.File(good, "r") as source, h5py.File(path, "w") as target:
        for key in source["model_weights"]:
            source.copy(f"model_weights/{key}", target)
        target.move("head_logits/head_logits/bias", "head_logits/head_logits/bias:0")
        target.create_group("optimizer_weights")["m"] = np.zeros(3, np.float64)
    assert same(read_h5(path, "unet")[1], read_h5(good)[1])


def replace(file: h5py.File, key: str, **options: object) -> None:
    del file[key]
    file.create_dataset(key, **options)


def external_link(file: h5py.File) -> None:
    del file[BIAS]
    file[BIAS] = h5py.ExternalLink("/etc/passwd", "/")


def soft_link(file: h5py.File) -> None:
    del file[BIAS]
    file[BIAS] = h5py.SoftLink("/model_weights")


def external_values(file: h5py.File) -> None:
    replace(file, BIAS, shape=(2,), dtype="<f4", external=[("/etc/hostname", 0, 8)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((2,), "<f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (2,))
    del file[BIAS]
    file.create_virtual_dataset(BIAS, layout)


def cycle(file: h5py.File) -> None:
    file["model_weights/again"] = file["model_weights"]


def two_gigabytes(file: h5py.File) -> None:
    replace(file, BIAS, shape=(2**29,), dtype="<f4", chunks=(2**20,), compression="gzip")


def unwritten(file: h5py.File) -> None:
    replace(file, BIAS, shape=(2**29,), dtype="<f4")


def objects(file: h5py.File) -> None:
    del file[BIAS]
    file.create_dataset(BIAS, (2,), h5py.string_dtype())


def crowd(file: h5py.File) -> None:
    for number in range(MAX_OBJECTS + 1):
        file.create_group(f"model_weights/g{number}")


def poison(value: float) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[BIAS][0] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (external_link, "link out of its place"),
        (soft_link, "link out of its place"),
        (external_values, "not stored plainly"),
        (virtual, "not stored plainly"),
        (cycle, "too large or too deep"),
        (two_gigabytes, "not stored plainly"),
        (unwritten, "declares 2147483648 bytes and has fewer"),
        (objects, "no array of float32"),
        (crowd, "too large or too deep"),
        (poison(np.nan), "not finite"),
        (poison(-np.inf), "not finite"),
        (lambda file: replace(file, BIAS, data=np.zeros(3, "<f4")), r"\(3,\); expected \(2,\)"),
        (lambda file: replace(file, BIAS, data=np.zeros((2, 1), "<f4")), "has the shape"),
        (lambda file: replace(file, BIAS, data=np.zeros(2, "<f8")), "no array of float32"),
        (lambda file: replace(file, BIAS, data=np.zeros(2, ">f4")), "no array of float32"),
        (lambda file: file.__delitem__(BIAS), "bias' is missing"),
        (lambda file: file.create_dataset("model_weights/x", data=np.zeros(2, "<f4")), "not known"),
        (lambda file: file.__setitem__("model_weights/t", np.dtype("<f4")), "no array of float32"),
        (lambda file: file.move("model_weights", "weights"), "not known|is missing"),
    ],
)  # fmt: skip
def test_a_hostile_file_is_named_and_refused(
    good: Path, tmp_path: Path, change: Callable[[h5py.File], object], reason: str
) -> None:
    path = tmp_path / "hostile.h5"
    path.write_bytes(good.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    read_h5(good, "unet")  # so that the memory below is the hostile file's alone
    before = peak_memory()
    with pytest.raises(BadInput, match=reason) as caught:
        read_h5(path, "unet")
    assert str(path) in str(caught.value)
    assert peak_memory() - before < 300_000


def test_a_network_is_not_mistaken_for_another(good: Path) -> None:
    with pytest.raises(BadInput, match="mobilenetv2-unet: "):
        read_h5(good, "mobilenetv2-unet")


def test_code_in_a_file_is_never_run(tmp_path: Path, good: Path) -> None:
    canary = tmp_path / "canary"
    inputs = keras.Input((2,))
    touch = keras.layers.Lambda(eval(f"lambda x: (open({str(canary)!r}, 'w'), x)[1]"))
    model = keras.Model(inputs, keras.layers.Dense(2)(touch(inputs)))
    path = tmp_path / "lambda.h5"
    model.save(path)
    canary.unlink()
    keras.config.enable_unsafe_deserialization()
    try:
        with pytest.raises(BadInput, match=r"lambda\.h5"):
            read_h5(path)
        with h5py.File(good, "r") as source, h5py.File(path, "r+") as target:
            del target["model_weights"]  # our weights under a stranger's architecture
            source.copy("model_weights", target)
        assert same(read_h5(path, "unet")[1], read_h5(good)[1])
        assert not canary.exists()
        with pytest.raises(ValueError, match="Layer count"):
            keras.models.load_model(path, safe_mode=False)
        assert canary.exists(), "the file is harmless, and this test shows nothing"
    finally:
        set_global_attribute("safe_mode_saving", True)


@pytest.mark.parametrize("size", [0, 7, 100, 2000, 100_000])
def test_a_truncated_file_is_refused(good: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "short.h5"
    path.write_bytes(good.read_bytes()[:size])
    with pytest.raises(BadInput, match=r"short\.h5"):
        read_h5(path, "unet")


def test_what_is_no_plain_file_is_refused(good: Path, tmp_path: Path) -> None:
    link, pipe = tmp_path / "link.h5", tmp_path / "pipe.h5"
    link.symlink_to(good)
    os.mkfifo(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    for path in (link, pipe, tmp_path, tmp_path / "missing.h5"):
        with pytest.raises(BadInput, match=r"link|not a plain file|cannot be read"):
            read_h5(path, "unet")
