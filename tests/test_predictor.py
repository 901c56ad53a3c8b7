from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from tiny_models import coarse_and_fine, graph_of, write_tiny_model

from napari_nucleiseg.config import PredictConfig
from napari_nucleiseg.device import describe_device
from napari_nucleiseg.diameter import diameter_from_maps
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.models import read_model
from napari_nucleiseg.predictor import BLOCK, Predictor
from napari_nucleiseg.tiles import MAX_SCALE


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    """Foreground and distance rise with the brightness."""
    return Predictor(write_tiny_model(tmp_path / "blobs"))


@pytest.fixture
def two_levels(tmp_path: Path) -> Predictor:
    """Sees 28 px far, on a grid of 32 px."""
    return Predictor(write_tiny_model(tmp_path / "levels", coarse_and_fine()))


def maps_of(predictor: Predictor, image: np.ndarray, **config: float) -> np.ndarray:
    *_, last = predictor.predict_maps(image, PredictConfig(**config))
    assert last.kind == "result"
    return last.values["maps"]


def disc(shape: tuple[int, int], centre: tuple[int, int], radius: float) -> np.ndarray:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def test_maps_are_the_networks_answer(predictor: Predictor) -> None:
    image = np.where(disc((70, 90), (30, 40), 12), 200, 10).astype(np.uint8)
    maps = maps_of(predictor, image)
    assert maps.shape == (70, 90, 3)
    assert maps.dtype == np.uint8
    assert maps[30, 40].tolist() == [255, 250, 0]  # sigmoid(10), sigmoid(4), sigmoid(-10)
    assert maps[60, 80].tolist() == [0, 0, 0]


def test_tiles_give_the_same_maps_as_one_pass(two_levels: Predictor) -> None:
    image = noise(400, 577, 3)
    whole = maps_of(two_levels, image, tile=1024)
    assert whole.std() > 30
    np.testing.assert_array_equal(maps_of(two_levels, image, tile=256), whole)


@pytest.mark.parametrize("diameter", [9.0, 13.0, 20.5, 47.0])
def test_rescaled_tiles_give_the_same_maps_as_one_pass(
    two_levels: Predictor, diameter: float
) -> None:
    image = noise(200, 280)
    whole = maps_of(two_levels, image, tile=2048, diameter=diameter)
    tiled = maps_of(two_levels, image, tile=256, diameter=diameter)
    np.testing.assert_array_equal(tiled, whole)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 70), (33, 1), (20, 31, 3), (32, 32, 1), (129, 128), (3, 1000)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int32, bool])
def test_any_size_and_dtype(predictor: Predictor, shape: tuple[int, ...], dtype: type) -> None:
    image = (noise(*shape) > 127).astype(dtype)
    for diameter in (0.0, 15.0):
        assert maps_of(predictor, image, tile=128, diameter=diameter).shape == (*shape[:2], 3)


def test_the_range_is_that_of_the_whole_image(predictor: Predictor) -> None:
    image = np.full((128, 1024), 100, np.uint8)
    image[:, :128] = noise(128, 128) // 4
    image[60:70, 900:910] = 255
    small, large = (maps_of(predictor, image, tile=tile) for tile in (192, 4096))
    np.testing.assert_array_equal(small, large)


def test_grey_is_the_same_as_three_equal_channels(predictor: Predictor) -> None:
    grey = noise(64, 64)
    colour = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(maps_of(predictor, grey), maps_of(predictor, colour))


def test_diameter_rescales_to_the_networks_nuclei(tmp_path: Path) -> None:
    """A network that answers with the mean of 32 x 32 px sees a smaller part when enlarged."""
    node = helper.make_node
    mean = graph_of(
        [
            node("Transpose", ["image"], ["a"], perm=[0, 3, 1, 2]),
            node("AveragePool", ["a"], ["b"], kernel_shape=[32, 32], strides=[32, 32]),
            node("Resize", ["b", "", "scales"], ["c"], mode="nearest",
                 coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
            node("Sigmoid", ["c"], ["d"]),
            node("Transpose", ["d"], ["maps"], perm=[0, 2, 3, 1]),
        ],
        {"scales": np.array([1, 1, 32, 32], np.float32)},
    )  # fmt: skip
    predictor = Predictor(write_tiny_model(tmp_path / "mean", mean, diameter=40.0))
    image = np.zeros((128, 128), np.uint8)
    image[:, 64:] = 255
    image[:16, :16] = 255
    kept, enlarged = (maps_of(predictor, image, diameter=each) for each in (0.0, 20.0))
    assert kept[4, 4, 0] < 120  # a quarter of the mean is bright
    assert enlarged[4, 4, 0] > 180  # all of it
    assert enlarged.shape == (128, 128, 3)


def discs_of(diameter: int) -> np.ndarray:
    """Nine bright discs on black, far enough apart to be so in a shrunk image."""
    image = np.zeros((8 * diameter, 8 * diameter), np.uint8)
    for y in range(1, 4):
        for x in range(1, 4):
            image[disc(image.shape, (2 * y * diameter, 2 * x * diameter), diameter / 2 - 1)] = 200
    return image


def test_nuclei_of_a_known_size_are_predicted_as_they_are(predictor: Predictor) -> None:
    for diameter in (16, 32):
        image = discs_of(diameter)
        kept = maps_of(predictor, image, diameter=predictor.model.diameter)
        np.testing.assert_array_equal(maps_of(predictor, image), kept)


@pytest.mark.parametrize("diameter", [8, 80, 160])
def test_an_image_of_nuclei_of_another_size_is_rescaled(
    predictor: Predictor, diameter: int
) -> None:
    """Small ones to half of the size that is known, large ones to twice that size."""
    image = discs_of(diameter)
    known = predictor.model.diameter
    kept = maps_of(predictor, image, diameter=known)
    estimate = diameter_from_maps(kept, predictor.model.decode)
    rescaled = maps_of(predictor, image, diameter=known / 2 if diameter < known else estimate / 2)
    assert not np.array_equal(rescaled, kept)
    np.testing.assert_array_equal(maps_of(predictor, image), rescaled)


@pytest.mark.parametrize("shrunk", [0.0, 190.0, 210.0])
def test_a_shrunk_image_whose_nuclei_grow_together_is_not_believed(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, shrunk: float
) -> None:
    sizes = iter([100.0, shrunk])
    give_sizes(monkeypatch, sizes)
    image = discs_of(40)
    maps = maps_of(predictor, image)
    assert next(sizes, None) is None
    known = 50.0 if shrunk == 190.0 else predictor.model.diameter
    np.testing.assert_array_equal(maps, maps_of(predictor, image, diameter=known))


@pytest.mark.parametrize(("diameter", "times"), [(0.0, 1), (20.0, 1), (0.0, 9)])
def test_detail_is_the_mean_with_a_pass_at_twice_the_size(
    predictor: Predictor, diameter: float, times: int
) -> None:
    """Also of an image of more rows than are averaged at once."""
    image, seen = np.tile(discs_of(16), (times, 1)), diameter or predictor.model.diameter
    assert times == 1 or len(image) > BLOCK
    once, enlarged = (maps_of(predictor, image, diameter=each) for each in (seen, seen / 2))
    detailed = maps_of(predictor, image, diameter=diameter, detail=True)
    assert not np.array_equal(once, enlarged)
    difference = detailed - (once.astype(float) + enlarged) / 2
    assert np.abs(difference).max() <= 0.5


@pytest.mark.parametrize("diameter", [0.0, 17.0])
def test_detail_leaves_large_nuclei_alone(predictor: Predictor, diameter: float) -> None:
    image = discs_of(48)
    once, detailed = (
        maps_of(predictor, image, diameter=diameter, detail=each) for each in (False, True)
    )
    np.testing.assert_array_equal(detailed, once)


def test_detail_in_an_image_without_nuclei(predictor: Predictor) -> None:
    image = np.zeros((64, 64), np.uint8)
    np.testing.assert_array_equal(maps_of(predictor, image, detail=True), maps_of(predictor, image))


def test_detail_of_nuclei_that_were_said_to_be_tiny(predictor: Predictor) -> None:
    """Enlarged as far as is allowed already: there is no second pass, and no refusal."""
    tiny = predictor.model.diameter / MAX_SCALE
    image = discs_of(8)
    np.testing.assert_array_equal(
        maps_of(predictor, image, diameter=tiny, detail=True),
        maps_of(predictor, image, diameter=tiny),
    )


def test_a_size_beyond_all_sense_is_no_reason_to_refuse_an_image(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_sizes(monkeypatch, iter([1e6, 1.0]))
    maps = maps_of(predictor, discs_of(160))
    most = MAX_SCALE * predictor.model.diameter
    np.testing.assert_array_equal(maps, maps_of(predictor, discs_of(160), diameter=most))


def give_sizes(monkeypatch: pytest.MonkeyPatch, sizes: Iterator[float]) -> None:
    monkeypatch.setattr(
        "napari_nucleiseg.predictor.diameter_from_maps", lambda *_, **__: next(sizes)
    )


def test_one_progress_a_tile_so_that_a_job_can_be_cancelled(predictor: Predictor) -> None:
    steps = list(predictor.predict_maps(noise(400, 400), PredictConfig(diameter=20, tile=256)))
    assert len(steps) == 5
    assert [step.done for step in steps] == [1, 2, 3, 4, 4]
    assert {step.total for step in steps} == {4}


def test_the_image_is_left_alone(predictor: Predictor) -> None:
    image = noise(60, 60, 3)
    before = image.copy()
    maps_of(predictor, image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("shape", [(4,), (4, 4, 4), (2, 4, 4, 3), (0, 5), (5, 0, 3)])
def test_no_image(predictor: Predictor, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="shape"):
        maps_of(predictor, np.zeros(shape, np.uint8))


def test_no_numbers(predictor: Predictor) -> None:
    with pytest.raises(BadInput, match="complex64"):
        maps_of(predictor, np.zeros((40, 40), np.complex64))


def test_values_that_are_not_finite(predictor: Predictor) -> None:
    for edge in (40, 2050):  # of a large image, the range is that of every other pixel
        image = np.ones((edge, edge), np.float32)
        image[3, 3] = np.nan
        with pytest.raises(BadInput, match="image has values that are not finite"):
            maps_of(predictor, image)


@pytest.mark.parametrize("diameter", [0.5, 400.0])
def test_a_diameter_beyond_sense(predictor: Predictor, diameter: float) -> None:
    with pytest.raises(BadInput, match=r"between 1\.3 and 320 px"):
        maps_of(predictor, noise(64, 64), diameter=diameter)


def test_a_damaged_network_is_refused_before_it_runs(predictor: Predictor) -> None:
    graph = predictor.model.folder / "network.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(BadInput, match=r"network\.onnx"):
        maps_of(predictor, noise(64, 64))


def test_a_network_that_cannot_run_a_tile_is_said_so(tmp_path: Path) -> None:
    """It passes its check on made tiles of 224 px, and folds all others into rows of these."""
    node = helper.make_node
    graph = graph_of(
        [
            node("Shape", ["image"], ["size"]),
            node("Reshape", ["image", "rows"], ["a"]),
            node("Reshape", ["a", "size"], ["b"]),
            node("Sigmoid", ["b"], ["maps"]),
        ],
        {"rows": np.array([-1, 224 * 3], np.int64)},
    )
    predictor = Predictor(write_tiny_model(tmp_path / "wide", graph))
    assert maps_of(predictor, noise(64, 224)).any()
    with pytest.raises(BadInput, match=r"The model wide could not be run .*; free memory"):
        maps_of(predictor, noise(64, 64))


def test_a_network_that_gives_no_numbers_is_said_so(tmp_path: Path) -> None:
    """0 / 0, where an image is brightest."""
    node = helper.make_node
    graph = graph_of(
        [
            node("Sub", ["image", "one"], ["a"]),
            node("Mul", ["a", "zero"], ["b"]),
            node("Div", ["b", "a"], ["c"]),
            node("Sigmoid", ["c"], ["maps"]),
        ],
        {"one": np.ones(1, np.float32), "zero": np.zeros(1, np.float32)},
    )
    predictor = Predictor(write_tiny_model(tmp_path / "dazzled", graph))
    with pytest.raises(BadInput, match="The model dazzled gave infinite values"):
        maps_of(predictor, discs_of(16))


def test_device_names_what_runs_and_why(predictor: Predictor) -> None:
    device = predictor.device
    assert device == describe_device()


def test_one_predictor_for_many_images(predictor: Predictor) -> None:
    first = maps_of(predictor, noise(64, 64))
    maps_of(predictor, noise(50, 200, 3))
    np.testing.assert_array_equal(maps_of(predictor, noise(64, 64)), first)


def test_a_model_that_is_read_twice_predicts_the_same(predictor: Predictor) -> None:
    again = Predictor(read_model(predictor.model.folder))
    np.testing.assert_array_equal(maps_of(again, noise(64, 64)), maps_of(predictor, noise(64, 64)))
