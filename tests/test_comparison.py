from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from squares import EDGE, squares, write_sample
from tiny_models import bright_blobs, write_tiny_model

from napari_nucleiseg.comparison import Comparison, Judged, compare, held_out
from napari_nucleiseg.config import DecodeConfig, PredictConfig
from napari_nucleiseg.dataset import Sample, read_dataset
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.metrics import scores
from napari_nucleiseg.models import Model, write_model

SHAPE = (EDGE, EDGE)


def model(folder: Path, train: tuple[str, ...] = (), validation: tuple[str, ...] = ()) -> Model:
    plain = write_tiny_model(folder)
    split = {"train": list(train), "validation": list(validation)}
    return replace(plain, info={**plain.info, "training": {"split": split}})


def sample(name: str, field: str = "", split: str = "") -> Sample:
    return Sample(name, Path(name), (), "kaggle", Path(name), field=field, split=split)


def judged(name: str, before: float, after: float, field: str = "") -> Judged:
    """Scores whose mean AP is the share of ten nuclei that were found."""
    truth = squares((30, 210), *((5, 21 * n) for n in range(10)))
    found = [np.where(truth <= 10 * share, truth, 0) for share in (before, after)]
    old, new = (scores(truth, each) for each in found)
    return Judged(sample(name, field), new, old)


def test_held_out_is_what_neither_model_has_learned_from(tmp_path: Path) -> None:
    samples = [sample("a"), sample("b"), sample("c"), sample("d", split="test"), sample("e"),
               sample("f", field="1"), sample("g", field="1")]  # fmt: skip
    new = model(tmp_path / "new", train=("a", "f"), validation=("b", "c", "g"))
    old = model(tmp_path / "old", train=("c",))
    assert [each.id for each in held_out(samples, new, old)] == ["b", "d"]
    assert [each.id for each in held_out(samples, new, None)] == ["b", "c", "d"]


def test_what_got_worse_comes_first_with_both_means(tmp_path: Path) -> None:
    for name, corners in {"same": [(10, 10)], "worse": [(10, 10), (50, 50)]}.items():
        write_sample(tmp_path / "data" / name, squares(SHAPE, *corners), masks=True)
    old = write_tiny_model(tmp_path / "old")
    blind = write_model(
        tmp_path / "blind",
        network="nuclei",
        weights={"kernel": np.ones(3, np.float16)},
        graph=bright_blobs().SerializeToString(),
        decode=DecodeConfig(min_area=10_000),
        diameter=20,
    )
    samples = read_dataset(tmp_path / "data").samples
    steps = list(compare(samples, blind, old, PredictConfig()))
    assert steps[-1].done == steps[-1].total == 4
    result = steps[-1].values["comparison"]
    assert isinstance(result, Comparison)
    assert [each.gain < -0.5 for each in result.images] == [True, True]
    assert result.means()["F1"] == (1.0, 0.0)
    assert result.means()["Found nuclei"] == (1.5, 0.0)
    assert result.gain() is None, "two fields are too few"


def test_without_an_old_model_only_the_new_one_is_scored(tmp_path: Path) -> None:
    write_sample(tmp_path / "data" / "a", squares(SHAPE, (10, 10)), masks=True)
    new = write_tiny_model(tmp_path / "new")
    samples = read_dataset(tmp_path / "data").samples
    result = list(compare(samples, new, None, PredictConfig()))[-1].values["comparison"]
    assert result.means()["AP .5"] == (None, 1.0)
    assert result.gain() is None


def test_nothing_held_out_is_said(tmp_path: Path) -> None:
    new = write_tiny_model(tmp_path / "new")
    with pytest.raises(BadInput, match="held out"):
        list(compare([], new, None, PredictConfig()))


def test_the_interval_of_the_gain_draws_whole_fields() -> None:
    gains = [0.3, 0.2, 0.4, 0.3, 0.1]
    images = tuple(
        judged(f"{n}{copy}", 0.5, 0.5 + gain, field=str(n))
        for n, gain in enumerate(gains)
        for copy in "ab"
    )
    gain = Comparison(images, fields=5).gain()
    assert gain is not None
    assert gain.mean == pytest.approx(0.26)
    assert 0.1 < gain.low < 0.26 < gain.high < 0.4
    alone = Comparison(images[::2], fields=5).gain()
    assert alone is not None
    assert gain.high - gain.low == pytest.approx(alone.high - alone.low)
