from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from squares import EDGE, squares, write_sample
from tiny_models import bright_blobs, write_tiny_model

from napari_nucleiseg.comparison import Comparison, Judged, compare, foresee, held_out, judge
from napari_nucleiseg.config import DecodeConfig, PredictConfig, TrainConfig
from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.metrics import scores
from napari_nucleiseg.models import Model, write_model
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.truth import Truths

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


def write_blind_model(folder: Path) -> Model:
    """It drops every nucleus as too small."""
    return write_model(
        folder,
        network="nuclei",
        weights={"kernel": np.ones(3, np.float16)},
        graph=bright_blobs().SerializeToString(),
        decode=DecodeConfig(min_area=10_000),
        diameter=20,
    )


def test_held_out_is_what_neither_model_has_learned_from(tmp_path: Path) -> None:
    samples = [sample("a"), sample("b"), sample("c"), sample("d", split="test"), sample("e"),
               sample("f", field="1"), sample("g", field="1")]  # fmt: skip
    new = model(tmp_path / "new", train=("a", "f"), validation=("b", "c", "g"))
    old = model(tmp_path / "old", train=("c",))
    assert [each.id for each in held_out(samples, new, old)] == ["b", "d"]
    assert [each.id for each in held_out(samples, new, None)] == ["b", "c", "d"]


def test_what_a_model_before_the_two_has_learned_from_is_not_held_out(tmp_path: Path) -> None:
    samples = [sample("a"), sample("b", field="1"), sample("c", field="1"), sample("d")]
    new = model(tmp_path / "new", train=("a",), validation=("b", "d"))
    new.info["training"]["learned"] = {"a": None, "c": None}
    old = model(tmp_path / "old", train=())
    assert [each.id for each in held_out(samples, new, old)] == ["d"]


def test_other_images_with_the_ids_of_those_learned_from_are_held_out(tmp_path: Path) -> None:
    for name in "ab":
        write_sample(tmp_path / "data" / name, squares(SHAPE, (10, 10)), masks=True)
    samples = read_dataset(tmp_path / "data").samples
    new = model(tmp_path / "new", train=("a",), validation=("b",))
    new.info["training"]["dataset"] = "data"
    old = model(tmp_path / "old", train=("a", "b"))
    old.info["training"] |= {"dataset": "another", "image_bytes": {"a": 1, "b": 1}}
    assert [each.id for each in held_out(samples, new, old)] == ["b"]
    sizes = {each.id: each.image_path.stat().st_size for each in samples}
    old.info["training"]["image_bytes"] = sizes
    assert held_out(samples, new, old) == ()


def test_test_images_of_enough_fields_judge_alone(tmp_path: Path) -> None:
    """They have had no say in which weights were kept."""
    samples = [sample("v"), *(sample(f"t{n}", split="test") for n in range(5))]
    new = model(tmp_path / "new", validation=("v",))
    assert [each.id for each in held_out(samples, new, None)] == ["t0", "t1", "t2", "t3", "t4"]
    assert "v" in {each.id for each in held_out(samples[:-1], new, None)}


def test_it_is_counted_what_chose_the_weights_and_what_could_not_be_scored(
    tmp_path: Path,
) -> None:
    for name in ("fine", "other", "broken"):
        write_sample(tmp_path / "data" / name, squares(SHAPE, (10, 10)), masks=True)
    (tmp_path / "data" / "broken" / "images" / "broken.png").write_bytes(b"no image")
    new = model(tmp_path / "new", validation=("fine", "broken"))
    samples = read_dataset(tmp_path / "data").samples
    result = list(compare(samples, new, None, PredictConfig()))[-1].values["comparison"]
    assert (result.chosen_by, result.missing, len(result.images)) == (1, 1, 2)


def test_a_training_is_foreseen_as_it_parts_and_judges() -> None:
    names = "abcdefghij"
    samples = [sample(name, field=name.upper()) for name in names]
    config = TrainConfig(validation=0.2)

    def foreseen(**known) -> tuple[int, int]:
        return foresee(samples, Truths(annotated=tuple(samples)), config, **known)

    assert foreseen() == (2, 2)
    assert foreseen(known=samples[:6]) == (2, 2), "of those that it does not know"
    assert foreseen(known=samples[:6], held_before=frozenset("ghij")) == (4, 4)
    assert foreseen(known=samples) == (2, 0)
    assert foreseen(known_to_old=samples) == (2, 0)


def test_a_training_on_one_field_is_compared_by_test_images_alone() -> None:
    samples = [sample(name, field="1") for name in "abcd"]
    tests = [sample("t", split="test"), sample("u", split="test")]
    config = TrainConfig(validation=0.25)
    assert foresee(samples, Truths(annotated=tuple(samples)), config) == (1, 0)
    truths = Truths(corrected=tuple(samples), annotated=tuple(tests))
    assert foresee([*samples, *tests], truths, config) == (1, 2)
    assert foresee(samples, truths, config, tests[:1]) == (1, 1)


def test_what_got_worse_comes_first_with_both_means(tmp_path: Path) -> None:
    for name, corners in {"same": [(10, 10)], "worse": [(10, 10), (50, 50)]}.items():
        write_sample(tmp_path / "data" / name, squares(SHAPE, *corners), masks=True)
    old = write_tiny_model(tmp_path / "old")
    blind = write_blind_model(tmp_path / "blind")
    samples = read_dataset(tmp_path / "data").samples
    steps = list(compare(samples, blind, old, PredictConfig()))
    assert steps[-1].done == steps[-1].total == 4
    result = steps[-1].values["comparison"]
    assert isinstance(result, Comparison)
    assert [each.gain < -0.5 for each in result.images] == [True, True]
    assert result.means()["F1"] == (1.0, 0.0)
    assert result.means()["Found nuclei"] == (1.5, 0.0)
    assert result.gain() is None, "two fields are too few"
    drawn = [
        decode(each) for image in result.images for each in (image.old_picture, image.new_picture)
    ]
    assert {each.shape for each in drawn} == {(*SHAPE, 3)}
    assert all((old != new).any() for old, new in zip(drawn[::2], drawn[1::2], strict=True))


def test_images_stand_in_the_order_of_what_they_gained(tmp_path: Path) -> None:
    """The old model finds what the blind one misses, but for the image that shows nothing."""
    for name in "ab":
        write_sample(tmp_path / "data" / name, squares(SHAPE, (10, 10)), masks=True)
    Image.new("L", SHAPE).save(tmp_path / "data" / "a" / "images" / "a.png")
    old, blind = write_tiny_model(tmp_path / "old"), write_blind_model(tmp_path / "blind")
    samples = read_dataset(tmp_path / "data").samples
    result = list(compare(samples, blind, old, PredictConfig()))[-1].values["comparison"]
    assert [(each.sample.id, each.gain) for each in result.images] == [("b", -1), ("a", 0)]


def test_each_name_has_its_own_figure() -> None:
    """Of three nuclei, .52, .72 and .92 are covered; the old model finds one of them."""
    truth, found = np.zeros((2, 10, 300), np.int32)
    for number, width in enumerate((52, 72, 92), start=1):
        left = 100 * (number - 1)
        truth[:, left : left + 100] = found[:, left : left + width] = number
    old = scores(truth, np.where(found == 3, found, 0))
    means = Comparison((Judged(sample("a"), scores(truth, found), old),), fields=1).means()
    assert means["AP .5"] == (1 / 3, 1)
    assert means["AP .7"] == (1 / 3, 2 / 4)
    assert means["AP .9"] == (1 / 3, 1 / 5)
    assert means["True nuclei"] == (3, 3)
    assert means["Found nuclei"] == (1, 3)


def test_images_are_predicted_as_the_person_chose(tmp_path: Path) -> None:
    """That diameter is refused, so no image is scored."""
    write_sample(tmp_path / "data" / "a", squares(SHAPE, (10, 10)), masks=True)
    samples, new = read_dataset(tmp_path / "data").samples, write_tiny_model(tmp_path / "new")
    with pytest.raises(BadInput, match=r"None of the images could be scored: .*[Dd]iameter"):
        list(compare(samples, new, None, PredictConfig(diameter=400)))


@pytest.mark.parametrize("mend_between", [False, True])
def test_where_no_image_can_be_read_it_says_what_is_wrong_with_the_image(
    tmp_path: Path, mend_between: bool
) -> None:
    for name in "ab":
        write_sample(tmp_path / "data" / name, squares(SHAPE, (10, 10)), masks=True)
    samples = read_dataset(tmp_path / "data").samples
    first, second = (each.image_path for each in samples)
    fine = first.read_bytes()
    first.write_bytes(b"no image")
    if not mend_between:
        second.write_bytes(b"no image")
    old, new = write_tiny_model(tmp_path / "old"), write_tiny_model(tmp_path / "new")

    def run() -> None:
        for step in compare(samples, new, old, PredictConfig()):
            if mend_between and step.done == len(samples):  # the old model is through
                first.write_bytes(fine)
                second.write_bytes(b"no image")

    with pytest.raises(BadInput, match=rf"could be scored.*: {re.escape(str(first))}") as caught:
        run()
    assert "masks" not in str(caught.value)


def test_without_an_old_model_only_the_new_one_is_scored(tmp_path: Path) -> None:
    write_sample(tmp_path / "data" / "a", squares(SHAPE, (10, 10)), masks=True)
    new = write_tiny_model(tmp_path / "new")
    samples = read_dataset(tmp_path / "data").samples
    result = list(compare(samples, new, None, PredictConfig()))[-1].values["comparison"]
    assert result.means()["AP .5"] == (None, 1.0)
    assert result.gain() is None


def decode(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_images_of_one_field_are_judged_together_without_a_table(tmp_path: Path) -> None:
    names = ("a", "copy of a", "b", "copy of b")
    for name in names:
        write_sample(tmp_path / "data" / name, squares(SHAPE, (10, 10)), masks=True)
        noise = np.random.default_rng(ord(name[-1])).integers(0, 255, SHAPE, dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "data" / name / "images" / f"{name}.png")
    new = write_tiny_model(tmp_path / "new")
    split = {"train": names[:1], "validation": names[1:]}
    rewrite_info(new.folder, training={"split": split})
    samples = read_dataset(tmp_path / "data").samples
    first, *_, last = judge(new.folder, None, samples, PredictConfig())
    assert first.kind == "model"
    result = last.values["comparison"]
    assert {each.sample.id for each in result.images} == set(names[2:]), "a was learned from"
    assert result.fields == 1


def rewrite_info(folder: Path, **changes) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


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
