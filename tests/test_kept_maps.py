from __future__ import annotations

import numpy as np
import pytest

from napari_nucleiseg import kept_maps
from napari_nucleiseg.kept_maps import KeptMaps


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> KeptMaps:
    monkeypatch.setattr(kept_maps, "MAPS_BYTES", 100)
    return KeptMaps()


def maps(edge: int) -> np.ndarray:
    return np.zeros((edge, edge, 3), np.uint8)


def test_the_longest_unused_are_dropped(kept: KeptMaps) -> None:
    assert kept.keep("a", maps(4)) == []  # 48 bytes
    assert kept.keep("b", maps(4)) == []
    assert kept.get("a") is not None
    assert kept.keep("c", maps(4)) == ["b"]
    assert kept.get("b") is None
    assert kept.get("a") is not None


def test_the_latest_are_kept_whatever_their_size(kept: KeptMaps) -> None:
    assert kept.keep("a", maps(40)) == []
    assert kept.get("a") is not None
    assert kept.keep("b", maps(4)) == ["a"]


def test_clearing_tells_what_went(kept: KeptMaps) -> None:
    kept.keep("a", maps(4))
    kept.keep("b", maps(4))
    assert kept.clear() == ["a", "b"]
    assert kept.get("a") is None
