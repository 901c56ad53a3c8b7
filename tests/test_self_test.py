from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, helper
from tiny_models import bright_blobs, coarse_and_fine, graph_of

from napari_nucleiseg import self_test
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.self_test import check_network

node = helper.make_node
PATH = Path("somewhere/network.onnx")


def check(model: ModelProto) -> None:
    check_network(model.SerializeToString(), PATH, 32)


def refused(model: ModelProto, reason: str) -> None:
    with pytest.raises(BadInput, match=reason) as caught:
        check(model)
    assert str(PATH) in str(caught.value)


def chain(*nodes: NodeProto, **constants: np.ndarray | Sequence[int]) -> ModelProto:
    return graph_of(nodes, {key: np.asarray(each) for key, each in constants.items()})


@pytest.mark.parametrize("model", [bright_blobs(), coarse_and_fine()])
def test_networks_pass(model: ModelProto) -> None:
    check(model)


def test_the_multiple_is_respected() -> None:
    folding = chain(
        node("Transpose", ["image"], ["a"], perm=[0, 3, 1, 2]),
        node("SpaceToDepth", ["a"], ["b"], blocksize=64),
        node("DepthToSpace", ["b"], ["c"], blocksize=64),
        node("Sigmoid", ["c"], ["d"]),
        node("Transpose", ["d"], ["maps"], perm=[0, 2, 3, 1]),
    )
    check_network(folding.SerializeToString(), PATH, 64)
    refused(folding, "does not run")


@pytest.mark.parametrize("ports", [("picture", "maps"), ("image", "labels")])
def test_other_names_of_input_and_output(ports: tuple[str, str]) -> None:
    refused(graph_of([node("Sigmoid", [ports[0]], [ports[1]])], ports=ports), "belongs")


@pytest.mark.parametrize("shape", [["N", "H", "W", 1], ["N", "H", "W"], [1, 64, 64, 3]])
def test_other_shapes_of_input_and_output(shape: list[str | int]) -> None:
    refused(graph_of([node("Sigmoid", ["image"], ["maps"])], shape=shape), "belongs")


def test_maps_of_another_size() -> None:
    halves = chain(node("Sigmoid", ["image"], ["a"]), node("Slice", ["a", "s", "e", "x"], ["maps"]),
                   s=[0], e=[32], x=[1])  # fmt: skip
    refused(halves, r"into maps of \(2, 32, 224, 3\)")


def test_maps_outside_the_range() -> None:
    refused(chain(node("Identity", ["image"], ["maps"])), r"not in \[0, 1\]")


def test_maps_that_are_not_numbers() -> None:
    zero = np.zeros(1, np.float32)
    model = chain(
        node("Mul", ["image", "zero"], ["a"]), node("Div", ["a", "zero"], ["maps"]), zero=zero
    )
    refused(model, r"not in \[0, 1\]")


def test_a_graph_that_does_not_hang_together() -> None:
    refused(chain(node("Sigmoid", ["elsewhere"], ["maps"])), "does not run")


@pytest.mark.parametrize(
    "bomb",
    [
        chain(node("Tile", ["image", "n"], ["maps"]), n=[1, 200, 200, 1]),
        chain(node("Pad", ["image", "n"], ["maps"]), n=[0, 30000, 30000, 0, 0, 0, 0, 0]),
        chain(
            node("ConstantOfShape", ["n"], ["a"]), node("ReduceMax", ["a"], ["b"], axes=[1, 2]),
            node("Mul", ["image", "b"], ["maps"]),
            n=[1, 20000, 20000, 3],
        ),
        chain(
            *(node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(30)),
            node("Slice", ["c30", "zero", "one"], ["d"]),
            node("Mul", ["image", "d"], ["maps"]),
            c0=np.ones(1, np.float32), zero=[0], one=[1],
        ),
        chain(  # no more than 3 kB for each pixel, which are 10 GB for a tile of 1088 x 1088
            node("Tile", ["image", "n"], ["a"]), node("Tanh", ["a"], ["b"]),
            node("ReduceMax", ["b"], ["c"], axes=[3]), node("Mul", ["image", "c"], ["maps"]),
            n=[1, 1, 1, 300],
        ),
    ],
    ids=["tile", "pad", "constant", "doubling", "by the pixel"],
)  # fmt: skip
def test_a_graph_that_wants_gigabytes(bomb: ModelProto) -> None:
    refused(bomb, "does not run")


def test_a_graph_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "MAX_SECONDS", 0.001)
    names = [f"x{index}" for index in range(6000)]
    steps = [node("Tanh", [a], [b]) for a, b in pairwise(names)]
    slow = chain(node("Exp", ["image"], ["x0"]), *steps, node("Sigmoid", [names[-1]], ["maps"]))
    refused(slow, "does not run.*terminate")
