"""Maps of an image of any size: the network is run tile by tile.

The maps are put together before they are decoded: a nucleus across a border of tiles is
one nucleus.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import replace

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.config import PredictConfig
from napari_nucleiseg.device import RUNTIME_ERRORS, Device, first_line
from napari_nucleiseg.diameter import diameter_from_maps
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.images import intensity_range, normalise
from napari_nucleiseg.model_check import NETWORK
from napari_nucleiseg.models import Model, read_graph
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.runner import Runner
from napari_nucleiseg.self_test import check_network
from napari_nucleiseg.tiles import MAX_SCALE, Layout

KNOWN = (0.5, 3.5)
"""Sizes of nuclei that a network masters as they are, in diameters that it was trained on.

Chosen on training and validation images, as they are and enlarged: up to 60 px, which is
3.5 diameters of the shipped network, a second pass on the shrunk image changes AP little at
IoU .5 and costs .2 at .9; beyond, nuclei are cut into pieces without it. Shrunk to half, it
gains .05 at .5 for nuclei of 8 px, and nothing for those of 9 and more.
"""
_AIM = (0.5, 2.0)  # such sizes are rescaled to this; more enlargement shows nothing new
GROWTH = 2.0
"""If nuclei in the shrunk image measure this many times larger than in the first pass,
neighbours have merged, and the first pass is kept. Of 56 validation images enlarged three
times none loses by this; by a factor of 1.5 some do."""
_DETAILED = 1.9
"""Nuclei up to this many diameters gain by a second look at twice the size: 32 px. On the
fluorescence images of the validation, AP gains .003 at IoU .5, .012 at .7 and .033 at .9;
nuclei of 32 px and more are cut into pieces. On stained ones, .024 is lost at .5 and at .7."""
BLOCK = 1024  # rows that are averaged at once, which bounds the memory


class Predictor:
    """A model, ready to predict.

    Parameters
    ----------
    model : Model

    Notes
    -----
    The network is read and started on first use.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._runner: Runner | None = None

    @property
    def device(self) -> Device:
        """What the network runs on, and why; starts it."""
        return self._start().device

    def predict_maps(
        self, image: np.ndarray, config: PredictConfig | None = None
    ) -> Iterator[Progress]:
        """Predict the maps of one image.

        Parameters
        ----------
        image : (H, W), (H, W, 1) or (H, W, 3)
            Of any real dtype and any size from one pixel on.
        config : PredictConfig, optional
            `diameter` [px] rescales the image to the nuclei that the network knows. At 0
            it is predicted as it is, and once more rescaled if its nuclei turn out to be
            much smaller or larger than those. `detail` adds a pass at twice the size of the
            first, where nuclei are small enough and were not rescaled already. `tile` [px]
            bounds what the network sees at once, and with it the memory.

        Yields
        ------
        Progress
            One a tile, of each pass; the last has the kind "result" and `values["maps"]`, (H, W, 3)
            uint8: foreground, distance and border, 255 for 1.

        Raises
        ------
        BadInput
            If the image is no image, is not finite, or would be rescaled beyond sense; or
            if the model is refused.
        """
        config = config or PredictConfig()
        _check_image(image)
        image = image.view(np.uint8) if image.dtype == bool else image
        low, high = intensity_range(image)
        if not math.isfinite(low) or not math.isfinite(high):
            raise _not_finite()
        maps, tiles = yield from self._pass(image, config, (low, high))
        size = 0.0 if config.diameter else diameter_from_maps(maps, self.model.decode)
        diameter = self._rescaling(size)
        if diameter:
            rescaled = replace(config, diameter=diameter)
            again, tiles = yield from self._pass(image, rescaled, (low, high))
            is_enlarged = diameter < self.model.diameter
            if is_enlarged or self._is_believed(again, size):
                maps = again
        elif config.detail and self._shows_detail(maps, config):
            enlarged = replace(config, diameter=(config.diameter or self.model.diameter) / 2)
            again, tiles = yield from self._pass(image, enlarged, (low, high))
            _average(maps, again)
        yield Progress(tiles, tiles, "Predicted", "result", {"maps": maps})

    def _rescaling(self, size: float) -> float:
        """Give the diameter to rescale by; 0 where the network masters such nuclei as they are."""
        known = self.model.diameter
        if size > KNOWN[1] * known:
            return min(size / _AIM[1], MAX_SCALE * known)
        return _AIM[0] * known if 0 < size < KNOWN[0] * known else 0.0

    def _is_believed(self, shrunk: np.ndarray, size: float) -> bool:
        """Whether the nuclei in the maps of a shrunk image have not grown together."""
        return 0 < diameter_from_maps(shrunk, self.model.decode, enough=1) < GROWTH * size

    def _shows_detail(self, maps: np.ndarray, config: PredictConfig) -> bool:
        """Whether nuclei are small enough to gain by a second look at twice the size."""
        known = self.model.diameter
        seen = config.diameter or known  # px in the image that the network sees as `known`
        size = diameter_from_maps(maps, self.model.decode, enough=1)
        return 0 < size < _DETAILED * seen and 2 * known <= MAX_SCALE * seen

    def _pass(
        self, image: np.ndarray, config: PredictConfig, intensities: tuple[float, float]
    ) -> Generator[Progress, None, tuple[np.ndarray, int]]:
        """Run the network on all tiles at one size; return the maps and the tiles' number."""
        layout = Layout.of(image, self.model, config)
        maps, tiles = np.empty((*image.shape[:2], 3), np.uint8), layout.tiles()
        for done, (rows, columns) in enumerate(tiles, start=1):
            piece = layout.read(image, rows, columns)
            if piece.dtype.kind == "f" and not np.isfinite(piece).all():
                raise _not_finite()
            tile = normalise(piece, *intensities)
            gives_back = 1 < len(tiles) == done
            layout.write(maps, rows, columns, self._run(tile, gives_back))
            yield Progress(done, len(tiles), "Predicting")
        return maps, len(tiles)

    def _run(self, tile: np.ndarray, gives_back: bool) -> np.ndarray:
        """(H, W, 3) float32 in [-1, 1] to (H, W, 3) uint8."""
        runner = self._start()
        try:
            maps = runner.run(tile, gives_back=gives_back)
        except RUNTIME_ERRORS as error:
            raise BadInput(
                f"The model {self.model.name} could not be run ({first_line(error)});"
                " free memory, choose smaller tiles, or use another model."
            ) from error
        if not np.isfinite(maps).all():
            raise BadInput(f"The model {self.model.name} gave infinite values; use another one.")
        # In place: memory that is taken anew is slower than the sums themselves.
        np.clip(maps, 0.0, 1.0, out=maps)
        maps *= np.float32(255.0)
        maps += np.float32(0.5)
        return maps.astype(np.uint8)

    def _start(self) -> Runner:
        if self._runner is None:
            graph = read_graph(self.model)
            path = self.model.folder / NETWORK
            check_network(graph, path, self.model.info["input"]["multiple"])
            self._runner = Runner(graph)
        return self._runner


def _average(maps: np.ndarray, other: np.ndarray) -> None:
    for start in range(0, len(maps), BLOCK):
        rows = slice(start, start + BLOCK)
        cv2.addWeighted(maps[rows], 0.5, other[rows], 0.5, 0, dst=maps[rows])


def _not_finite() -> BadInput:
    return BadInput("The image has values that are not finite; replace them first.")


def _check_image(image: np.ndarray) -> None:
    good = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))
    if not good or 0 in image.shape:
        raise BadInput(
            f"The image has the shape {image.shape}; expected height and width, and one or"
            " three channels: choose one plane of it."
        )
    if image.dtype.kind not in "buif":
        raise BadInput(f"The image holds {image.dtype}; expected real numbers: convert it first.")
