"""Model folders that mean harm, or came to it: what a stranger might send.

Run as a program, it checks every folder named on its command line and prints what came of
it and the most memory that it held, as JSON.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.models import check_model_folder

CANARY = "NUCLEISEG_TEST_CANARY"


class Payload:
    """Makes the file that the environment names when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (exec, (f"import os, pathlib; pathlib.Path(os.environ['{CANARY}']).touch()",))


Harm = Callable[[Path], Any]


def put(folder: Path, name: str, data: bytes) -> None:
    """Replace a file and let `model.json` vouch for it."""
    (folder / name).write_bytes(data)
    vouch(folder, name)


def vouch(folder: Path, name: str) -> None:
    with (folder / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    edit(folder, files=info_of(folder)["files"] | {name: digest})


def info_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "model.json").read_text())


def edit(folder: Path, **changes: Any) -> None:
    (folder / "model.json").write_text(json.dumps(info_of(folder) | changes))


def npz(compression: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/") + ".npy", data)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npy_header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def change_graph(folder: Path, change: Callable[[Any], Any]) -> None:
    import onnx

    model = onnx.load_from_string((folder / "network.onnx").read_bytes())
    change(model)
    put(folder, "network.onnx", model.SerializeToString())


def replace_by_link(folder: Path, name: str) -> None:
    outside = folder.parent / f"outside-{folder.name}"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)


def replace_by_pipe(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


def replace_by_folder(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()


def grow(folder: Path, name: str, size: int) -> None:
    """Make a file as long as that; a sparse one takes no space on the disk."""
    os.truncate(folder / name, size)


def cut(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    put(folder, name, data[: len(data) * 2 // 3])


def flip_a_bit(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)


def twice_the_same_name(folder: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("a.npy", "b.npy"):
            archive.writestr(name, npy(np.zeros(2, np.float32)))
    put(folder, "weights.npz", buffer.getvalue().replace(b"b.npy", b"a.npy"))


def many_names(folder: Path) -> None:
    """A directory of 200,000 names in a file of 15 MB."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 6, 0, 0, 0, 30, *[0] * 4, 0, 0)
    directory = b"".join(entry + b"%030d" % index for index in range(200_000))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, len(directory), 0, 0)
    put(folder, "weights.npz", directory + end)


def external_data(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    tensor.data_location = tensor.EXTERNAL


def custom_domain(model: Any) -> None:
    model.graph.node[1].domain = "com.stranger"
    model.opset_import.add(domain="com.stranger", version=1)


def loop(model: Any) -> None:
    from onnx import helper

    body = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", "", "image"], ["z"], body=body))


def huge_tensor(model: Any) -> None:
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([2**29, 1])


def not_a_number(model: Any) -> None:
    tensor = model.graph.initializer[0]
    values = np.frombuffer(tensor.raw_data, np.float32).copy()
    values[3] = np.nan
    tensor.raw_data = values.tobytes()


def wrong_shape(model: Any) -> None:
    """A kernel for four channels, where the image has three."""
    tensor = model.graph.initializer[0]
    tensor.dims[1], tensor.raw_data = 4, np.zeros(100, np.float32).tobytes()


def insert(model: Any, *nodes: Any, **constants: Any) -> None:
    """Put nodes before the others, which then take "bomb" for the image."""
    from onnx import numpy_helper

    for node in model.graph.node:
        node.input[:] = ["bomb" if name == "image" else name for name in node.input]
    for index, node in enumerate(nodes):
        model.graph.node.insert(index, node)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )


def tile_bomb(model: Any) -> None:
    from onnx import helper

    insert(model, helper.make_node("Tile", ["image", "times"], ["bomb"]), times=[1, 100, 100, 1])


def doubling_bomb(model: Any) -> None:
    """30 lines that come to 4 GiB, out of a constant: a graph that is folded pays at its start."""
    from onnx import helper

    node = helper.make_node
    insert(
        model,
        *(node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(30)),
        node("Slice", ["c30", "zero", "one"], ["d"]),
        node("Mul", ["image", "d"], ["bomb"]),
        c0=np.ones(1, np.float32),
        zero=[0],
        one=[1],
    )


def unclamped(model: Any) -> None:
    model.graph.node[3].op_type = "Relu"


def other_names(model: Any) -> None:
    model.graph.input[0].name = model.graph.node[0].input[0] = "picture"


MODEL, WEIGHTS, NETWORK = "model.json", "weights.npz", "network.onnx"

# What is done to a good folder, by what it is called: the file that the refusal must name,
# a word of the reason, and the deed.
HARMS: dict[str, tuple[str, str, Harm]] = {
    "info-link": (MODEL, "link", lambda f: replace_by_link(f, MODEL)),
    "weights-link": (WEIGHTS, "link", lambda f: replace_by_link(f, WEIGHTS)),
    "network-link": (NETWORK, "link", lambda f: replace_by_link(f, NETWORK)),
    "info-pipe": (MODEL, "plain file", lambda f: replace_by_pipe(f, MODEL)),
    "weights-pipe": (WEIGHTS, "plain file", lambda f: replace_by_pipe(f, WEIGHTS)),
    "network-pipe": (NETWORK, "plain file", lambda f: replace_by_pipe(f, NETWORK)),
    "network-folder": (NETWORK, "", lambda f: replace_by_folder(f, NETWORK)),
    "info-missing": (MODEL, "No such file", lambda f: (f / MODEL).unlink()),
    "weights-missing": (WEIGHTS, "No such file", lambda f: (f / WEIGHTS).unlink()),
    "weights-changed": (WEIGHTS, "hash", lambda f: flip_a_bit(f, WEIGHTS)),
    "network-changed": (NETWORK, "hash", lambda f: flip_a_bit(f, NETWORK)),
    "weights-truncated": (WEIGHTS, "truncated", lambda f: cut(f, WEIGHTS)),
    "network-truncated": (NETWORK, "truncated", lambda f: cut(f, NETWORK)),
    "weights-5-gigabytes": (WEIGHTS, "more than", lambda f: grow(f, WEIGHTS, 5 * 10**9)),
    "network-5-gigabytes": (NETWORK, "more than", lambda f: grow(f, NETWORK, 5 * 10**9)),
    "info-5-gigabytes": (MODEL, "more than", lambda f: grow(f, MODEL, 5 * 10**9)),
    "weights-nan": (
        WEIGHTS,
        "not finite",
        lambda f: put(f, WEIGHTS, npz(a=npy(np.array([1, np.nan], np.float32)))),
    ),
    "weights-object": (
        WEIGHTS,
        "no plain array",
        lambda f: put(f, WEIGHTS, npz(a=npy(np.array([Payload()], object)))),
    ),
    "weights-pickle": (WEIGHTS, "zip", lambda f: put(f, WEIGHTS, pickle.dumps(Payload()))),
    "weights-2-gigabytes-in-14-kilobytes": (
        WEIGHTS,
        "declares the shape",
        lambda f: put(f, WEIGHTS, npz(a=npy_header("(32768, 16384)") + bytes(14_000))),
    ),
    "weights-zip-bomb": (
        WEIGHTS,
        "unpack",
        lambda f: put(f, WEIGHTS, npz(zipfile.ZIP_DEFLATED, a=npy(np.zeros(2 * 10**7, "f4")))),
    ),
    "weights-parent-folder": (
        WEIGHTS,
        "no name of a weight",
        lambda f: put(f, WEIGHTS, npz(**{"..__..__a": npy(np.zeros(2, np.float32))})),
    ),
    "weights-twice": (WEIGHTS, "twice", twice_the_same_name),
    "weights-many-names": (WEIGHTS, "too many", many_names),
    "weights-integers": (
        WEIGHTS,
        "no plain array",
        lambda f: put(f, WEIGHTS, npz(a=npy(np.zeros(3, np.int64)))),
    ),
    "network-external-data": (
        NETWORK,
        "another file",
        lambda f: change_graph(f, external_data),
    ),
    "network-custom-domain": (NETWORK, "foreign", lambda f: change_graph(f, custom_domain)),
    "network-loop": (NETWORK, "Loop|attribute", lambda f: change_graph(f, loop)),
    "network-2-gigabytes": (NETWORK, "declares", lambda f: change_graph(f, huge_tensor)),
    "network-nan": (NETWORK, "not finite", lambda f: change_graph(f, not_a_number)),
    "network-wrong-shape": (NETWORK, "does not run", lambda f: change_graph(f, wrong_shape)),
    "network-tile-bomb": (NETWORK, "does not run", lambda f: change_graph(f, tile_bomb)),
    "network-doubling-bomb": (NETWORK, "does not run", lambda f: change_graph(f, doubling_bomb)),
    "network-unclamped": (NETWORK, "not in", lambda f: change_graph(f, unclamped)),
    "network-other-names": (NETWORK, "belongs", lambda f: change_graph(f, other_names)),
    "network-own-format": (
        NETWORK,
        "own format",
        lambda f: put(f, NETWORK, b"\x08\x00\x00\x00ORTM" + bytes(1000)),
    ),
    "network-text": (NETWORK, "", lambda f: put(f, NETWORK, b"import os\n" * 100)),
    "info-nested": (
        MODEL,
        "nested",
        lambda f: (f / MODEL).write_text('{"a":' * 100_000 + "1" + "}" * 100_000),
    ),
    "info-lists": (MODEL, "", lambda f: (f / MODEL).write_text("[" + "[]," * 600_000 + "1]")),
    "info-long-number": (
        MODEL,
        "too large",
        lambda f: (f / MODEL).write_text('{"format": ' + "9" * 10**6 + "}"),
    ),
    "info-pickle": (MODEL, "", lambda f: (f / MODEL).write_bytes(pickle.dumps(Payload()))),
}


def peak_bytes() -> int:
    """Most memory that this process held since it started; 0 where the system is silent."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    peaks = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peaks[0]) * 1024 if peaks else 0


def check_all(folders: list[str]) -> dict[str, Any]:
    """Check folders; what was said of each, "" where it passed."""
    said = {}
    for folder in folders:
        try:
            check_model_folder(Path(folder))
            said[Path(folder).name] = ""
        except BadInput as error:
            said[Path(folder).name] = str(error)
    return {"said": said, "peak": peak_bytes()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(check_all(sys.argv[1:])))
