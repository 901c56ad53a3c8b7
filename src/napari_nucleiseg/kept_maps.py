"""Maps of the samples seen last, as many as fit into a share of the memory."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

MAPS_BYTES = 256 * 2**20
"""Maps of samples seen before are dropped beyond this, the longest unused first."""


class KeptMaps:
    """Maps by sample id; what was kept or asked for last stays longest."""

    def __init__(self) -> None:
        self._maps: OrderedDict[str, np.ndarray] = OrderedDict()

    def get(self, sample_id: str) -> np.ndarray | None:
        """Give the maps of a sample, (H, W, 3) uint8, if they are still there."""
        if sample_id in self._maps:
            self._maps.move_to_end(sample_id)
        return self._maps.get(sample_id)

    def keep(self, sample_id: str, maps: np.ndarray) -> list[str]:
        """Keep maps, however large; the ids of those dropped for them are returned."""
        self._maps[sample_id] = maps
        self._maps.move_to_end(sample_id)
        dropped = []
        while len(self._maps) > 1 and self._bytes() > MAPS_BYTES:
            dropped.append(self._maps.popitem(last=False)[0])
        return dropped

    def clear(self) -> list[str]:
        """Drop all maps; their ids are returned."""
        dropped = list(self._maps)
        self._maps.clear()
        return dropped

    def _bytes(self) -> int:
        return sum(each.nbytes for each in self._maps.values())
