"""Time the first and the second open of a dataset, with all its nuclei read.

    python benchmarks/open_dataset.py FOLDER

The first open merges the masks of every sample, the second reads them from a cache. The
cache of this run is a temporary one, so that the first open is a first open.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from napari_nucleiseg.dataset import Dataset, read_dataset, read_labels
from napari_nucleiseg.sample import Sample


def nuclei_of(sample: Sample) -> int:
    """Read the nuclei of one sample, and count them."""
    labels = read_labels(sample)
    return 0 if labels is None else int(labels.max())


def opened(folder: Path) -> tuple[float, Dataset, int]:
    """Open a dataset with all its nuclei; return seconds and what was found."""
    start = time.perf_counter()
    dataset = read_dataset(folder)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        nuclei = sum(threads.map(nuclei_of, dataset.samples))
    return time.perf_counter() - start, dataset, nuclei


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description="Time the first and second open of a dataset.")
    parser.add_argument("dataset", type=Path, help="folder of the dataset")
    folder = parser.parse_args().dataset
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NUCLEISEG_CACHE"] = cache
        first, dataset, nuclei = opened(folder)
        second, *_ = opened(folder)
    print(f"{len(dataset.samples)} samples, layout {dataset.layout}, {nuclei} nuclei")
    print(f"first open {first:.1f} s, second {second:.2f} s: {second / first:.3f} of the first")
    print(f"{len(dataset.problems)} problems", *dataset.problems, sep="\n  ")


if __name__ == "__main__":
    main()
