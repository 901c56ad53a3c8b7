from __future__ import annotations

import numpy as np
import pytest
from tiny_models import bright_blobs, coarse_and_fine, graph_of

from napari_nucleiseg import runner as runner_module
from napari_nucleiseg.device import RUNTIME_ERRORS, Device, open_on_cpu
from napari_nucleiseg.runner import KEPT, KEPT_PIXELS, Runner


def tile(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).uniform(-1, 1, (height, width, 3)).astype(np.float32)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """The shapes that a network is started for, in turn."""
    shapes = []
    start = runner_module.open_on_cpu

    def noted(graph: bytes, shape: dict) -> object:
        shapes.append(dict(shape))
        return start(graph, shape)

    monkeypatch.setattr(runner_module, "open_on_cpu", noted)
    return shapes


def test_what_was_run_before_changes_nothing() -> None:
    graph = coarse_and_fine().SerializeToString()
    used = Runner(graph)
    for shape in [(64, 96), (32, 32), (64, 96)]:
        maps = used.run(tile(*shape))
        assert maps.shape == (*shape, 3)
        np.testing.assert_array_equal(maps, Runner(graph).run(tile(*shape)))


def test_a_shape_that_comes_again_is_not_started_again(starts: list[dict]) -> None:
    runner = Runner(bright_blobs().SerializeToString())
    for shape in [(32, 32), (64, 32), (32, 32), (64, 32)]:
        runner.run(tile(*shape), gives_back=True)
    assert starts == [{"N": 1, "H": 32, "W": 32}, {"N": 1, "H": 64, "W": 32}]


def test_few_starts_are_kept_and_the_oldest_go(starts: list[dict]) -> None:
    runner = Runner(bright_blobs().SerializeToString())
    for number in [*range(1, KEPT + 2), 2, 1]:
        runner.run(tile(32, 32 * number))
    assert [each["W"] // 32 for each in starts] == [*range(1, KEPT + 2), 1]


def test_a_large_tile_leaves_no_room_for_others(starts: list[dict]) -> None:
    runner = Runner(bright_blobs().SerializeToString())
    edge = round(KEPT_PIXELS**0.5)
    for shape in [(32, 32), (edge, edge), (32, 32)]:
        runner.run(tile(*shape))
    assert [each["H"] for each in starts] == [32, edge, 32]


@pytest.mark.parametrize("shape", [(1, 64, 64, 3), ("N", "S", "S", 3)])
def test_a_graph_whose_sizes_have_no_names_of_their_own_runs_as_it_is(
    shape: tuple, starts: list[dict]
) -> None:
    graph = graph_of(list(bright_blobs().graph.node), shape=shape)
    graph.graph.initializer.extend(bright_blobs().graph.initializer)
    maps = Runner(graph.SerializeToString()).run(tile(64, 64))
    np.testing.assert_array_equal(
        maps, Runner(bright_blobs().SerializeToString()).run(tile(64, 64))
    )
    assert len(starts) == 1, "for the other one alone"


def test_goes_on_with_the_cpu_when_a_card_fails_in_the_middle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = bright_blobs().SerializeToString()
    runner = Runner(graph)
    monkeypatch.setattr(runner, "_session", FullCard())
    runner.device = Device("CUDA", "works")
    np.testing.assert_array_equal(runner.run(tile(64, 64)), Runner(graph).run(tile(64, 64)))
    assert runner.device.name == "CPU"
    assert "CUDA failed (CUDA: out of memory)" in runner.device.reason


class FullCard:
    """Stands for a session on a graphics card whose memory is full."""

    def run(self, *_: object) -> None:
        raise RuntimeError("CUDA: out of memory")


@pytest.mark.parametrize(
    ("added", "used", "why"),
    [(0.01, "CUDA", "works"), (0.3, "CPU", "up to 0.30 apart"), (np.nan, "CPU", "other maps")],
)
def test_a_card_that_gives_other_maps_than_the_cpu_is_not_used(
    added: float, used: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = bright_blobs().SerializeToString()
    session = WrongCard(open_on_cpu(graph), added)
    device = Device("CUDA", "CUDA works.")
    monkeypatch.setattr(runner_module, "open_session", lambda _: (session, device))
    runner = Runner(graph)
    assert runner.device.name == used
    assert why in runner.device.reason


class WrongCard:
    """Stands for a session on a graphics card whose maps are all too high."""

    def __init__(self, session: object, added: float) -> None:
        self._session, self._added = session, added

    def run(self, *arguments: object) -> list[np.ndarray]:
        return [each + self._added for each in self._session.run(*arguments)]


def test_what_the_cpu_cannot_run_is_an_error() -> None:
    runner = Runner(coarse_and_fine().SerializeToString())
    with pytest.raises(RUNTIME_ERRORS):
        runner.run(tile(40, 40))
