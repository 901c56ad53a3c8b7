"""Pictures of a held-out image, to see a network learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_nucleiseg.atomic import saving, write_bytes_atomically
from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.nn.augment import Example
from napari_nucleiseg.overlay import encode_png, middle, overlay
from napari_nucleiseg.run_folder import PICTURES

EDGE = 256  # px: two of them fit side by side into a dock


class Preview:
    """Draws what a network makes of one image, a file for each time.

    Parameters
    ----------
    folder : Path
        Of the run; the files are ``pictures/step-00000000.png`` and so on.
    example : Example
        Its middle is drawn.
    """

    def __init__(self, folder: Path, example: Example) -> None:
        self.folder, self.example = folder / PICTURES, example

    def draw(self, maps: np.ndarray, decode: DecodeConfig, step: int) -> Path:
        """Draw the outlines of the nuclei in the maps of the example.

        Parameters
        ----------
        maps : (H, W, 3) uint8
        decode : DecodeConfig
        step : int
            Training steps done.

        Returns
        -------
        Path
            Of the PNG file.

        Raises
        ------
        SaveFailed
            If the disk does not take it.
        """
        drawn = overlay(self.example.image, labels_from_maps(maps, decode))
        path = self.folder / f"step-{step:08d}.png"
        with saving(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, encode_png(drawn[middle(drawn.shape, EDGE)]))
        return path
