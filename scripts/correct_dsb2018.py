"""Copy DSB2018 to train on, with outlines that were drawn too wide shrunk.

    python scripts/correct_dsb2018.py stage1_train corrected/stage1_train

A model knows by the name of the folder what it has learned from: keep that name.

In 24 images of one microscope somebody drew round the halo and not round the nucleus:
`benchmarks/dsb2018_corrections.csv` lists them, with how many pixels too wide they are drawn
and with the area of nuclei as a network finds them, over the area as drawn (median). The
other images of that microscope are drawn at the nucleus. Only training images are listed;
those to validate and to test on stay as they are.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

import numpy as np
from tqdm import tqdm

from napari_nucleiseg._cv2 import cv2

TABLE = Path(__file__).parents[1] / "benchmarks" / "dsb2018_corrections.csv"


def main() -> None:
    """Read the command line, copy, shrink."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path, help="folder with a folder of each sample")
    parser.add_argument("out", type=Path, help="new folder")
    arguments = parser.parse_args()
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if not any((arguments.dataset / row["id"] / "masks").glob("*.png")):
            parser.error(f"{arguments.dataset} has no masks of {row['id']}; give stage1_train.")
    shutil.copytree(arguments.dataset, arguments.out)
    for row in tqdm(rows, desc="shrinking"):
        shrink_masks(arguments.out / row["id"] / "masks", float(row["shrink"]))


def shrink_masks(folder: Path, shrink: float) -> None:
    """Take the rim off all masks of a sample where they end at background.

    Where two nuclei touch, their border stays: the halo is on the outside. A mask of which
    nothing would be left, or more pieces than before, stays as it is.

    Parameters
    ----------
    folder : Path
        One PNG a nucleus.
    shrink : float
        Width of the rim [px].
    """
    masks = {path: cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in folder.glob("*.png")}
    nuclei = np.any([mask > 0 for mask in masks.values()], axis=0)
    kept = cv2.distanceTransform(nuclei.astype(np.uint8), cv2.DIST_L2, 5) > shrink
    for path, mask in masks.items():
        smaller = np.where(kept, mask, np.uint8(0))
        if smaller.any() and _pieces(smaller) <= _pieces(mask):
            cv2.imwrite(str(path), smaller)


def _pieces(mask: np.ndarray) -> int:
    return int(cv2.connectedComponents((mask > 0).astype(np.uint8))[0])


if __name__ == "__main__":
    main()
