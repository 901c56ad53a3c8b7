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

from napari_nucleiseg.dataset import Dataset, read_annotation, read_dataset
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.layouts import Sample


def nuclei_and_problems(sample: Sample) -> tuple[int, list[str]]:
    """Read the nuclei of one sample, and count them."""
    try:
        annotation = read_annotation(sample)
    except BadInput as error:
        return 0, [str(error)]
    if annotation is None:
        return 0, []
    return int(annotation.labels.max()), list(annotation.problems)


def opened(folder: Path) -> tuple[float, Dataset, int, list[str]]:
    """Open a dataset with all its nuclei; return seconds and what was found."""
    start = time.perf_counter()
    dataset = read_dataset(folder)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        results = list(threads.map(nuclei_and_problems, dataset.samples))
    seconds = time.perf_counter() - start
    problems = [text for _, texts in results for text in texts]
    return seconds, dataset, sum(number for number, _ in results), [*dataset.problems, *problems]


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description="Time the first and second open of a dataset.")
    parser.add_argument("dataset", type=Path, help="folder of the dataset")
    folder = parser.parse_args().dataset
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NUCLEISEG_CACHE"] = cache
        first, dataset, nuclei, problems = opened(folder)
        second, *_ = opened(folder)
    print(f"{len(dataset.samples)} samples, layout {dataset.layout}, {nuclei} nuclei")
    print(f"first open {first:.1f} s, second {second:.2f} s: {second / first:.3f} of the first")
    print(f"{len(problems)} problems", *problems, sep="\n  ")


if __name__ == "__main__":
    main()
