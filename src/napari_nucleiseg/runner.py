"""A network on one tile after the other, as fast as ONNX Runtime runs it.

On the CPU it is started anew for every shape of tile. Where the shape is known, ONNX Runtime
fuses more of the network: that takes 13 % less time on tiles of 1088 px, and a start takes
20 ms (2 cores). So the maps of a tile never depend on what was run before, either.
"""

from __future__ import annotations

import numpy as np

from napari_nucleiseg._ort import onnxruntime
from napari_nucleiseg.device import RUNTIME_ERRORS, Device, first_line, open_on_cpu, open_session
from napari_nucleiseg.self_test import INPUT, OUTPUT, example_tiles

_MOST_APART = 0.05
"""By this much a card's maps may differ from the CPU's: TF32 has 10 bits for a fraction."""
_EXAMPLE = example_tiles(64)[0]
KEPT_PIXELS = 1088 * 1088
"""Most pixels of all kept tiles together: each start keeps the memory of its last run."""
KEPT = 6  # each holds a copy of the weights


class Runner:
    """A network that was started.

    Parameters
    ----------
    graph : bytes
        A checked ONNX file.

    Attributes
    ----------
    device : Device
        What it runs on, and why.

    Raises
    ------
    One of `device.RUNTIME_ERRORS`
        If it does not start.
    """

    def __init__(self, graph: bytes) -> None:
        self._graph = graph
        self._session, self.device = open_session(graph)
        self._kept: dict[tuple[int, ...], onnxruntime.InferenceSession] = {}
        if not self._is_on_cpu:
            self._compare_with_cpu()

    def _compare_with_cpu(self) -> None:
        """Go on with the CPU if a card gives other maps of an example, and no error."""
        name, on_card = self.device.name, self.run(_EXAMPLE)
        if self._is_on_cpu:
            return
        on_cpu = self._run(open_on_cpu(self._graph), _EXAMPLE, False)
        apart = float(np.abs(on_card - on_cpu).max())
        if not apart <= _MOST_APART:
            self._go_on_with_cpu(f"{name} gives other maps than the CPU (up to {apart:.2f} apart)")

    def _go_on_with_cpu(self, reason: str) -> None:
        self._session = open_on_cpu(self._graph)
        self.device = Device("CPU", f"{reason}: the CPU is used.")

    def run(self, tile: np.ndarray, *, gives_back: bool = False) -> np.ndarray:
        """Run the network on one tile.

        Where a graphics card fails, e.g. out of memory, it goes on with the CPU.

        Parameters
        ----------
        tile : (H, W, 3) float32
            In [-1, 1].
        gives_back : bool
            Whether to free the memory that the run took.

        Returns
        -------
        (H, W, 3) float32

        Raises
        ------
        One of `device.RUNTIME_ERRORS`
            If the CPU fails.
        """
        if self._is_on_cpu:
            return self._run(self._session_for(tile.shape), tile, gives_back)
        try:
            return self._run(self._session, tile, False)
        except RUNTIME_ERRORS as error:
            self._go_on_with_cpu(f"{self.device.name} failed ({first_line(error)})")
        return self.run(tile, gives_back=gives_back)

    @property
    def _is_on_cpu(self) -> bool:
        return self.device.name == "CPU"

    def _run(
        self, session: onnxruntime.InferenceSession, tile: np.ndarray, gives_back: bool
    ) -> np.ndarray:
        options = onnxruntime.RunOptions()
        if gives_back:
            # Give the memory of the layers back: decoding a large image needs it next. For
            # a small one, taking it again would cost half as much as the network itself.
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        return np.asarray(session.run([OUTPUT], {INPUT: tile[None]}, options)[0][0])

    def _session_for(self, shape: tuple[int, ...]) -> onnxruntime.InferenceSession:
        """Start the network for a shape of tile, or take the start of before."""
        batch, height, width, _ = self._session.get_inputs()[0].shape
        sizes = dict(zip((batch, height, width), (1, *shape), strict=False))
        if len(sizes) < 3 or not all(isinstance(name, str) for name in sizes):
            return self._session  # not a graph of ours: its sizes cannot be set one by one
        session = self._kept.pop(shape, None)
        if session is None:
            self._make_room(shape)
            session = open_on_cpu(self._graph, sizes)
        self._kept[shape] = session  # the last that was used comes last
        return session

    def _make_room(self, shape: tuple[int, ...]) -> None:
        pixels = shape[0] * shape[1]
        while self._kept and (
            len(self._kept) >= KEPT
            or pixels + sum(height * width for height, width, _ in self._kept) > KEPT_PIXELS
        ):
            del self._kept[next(iter(self._kept))]
