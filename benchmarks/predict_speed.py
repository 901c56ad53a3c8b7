"""Print how fast images go through a network, through decoding, and through both.

``python benchmarks/predict_speed.py`` prints megapixels a second of

- the network alone, on inputs of the size of a tile;
- the maps of an image: reading tiles, network, overlap, putting together;
- decoding: maps to labels, and its share of the whole;
- the whole prediction;

for images of 256², 1024² and 4096², and with ``--cold`` the seconds that ``nucleiseg
predict`` takes for one 1024² image from the start of the program. ``--large`` adds an
8192² colour image in a process of its own, with the most memory that it held; ``--keras``
runs the same network in Keras, in a process of its own too, and prints the ratio.

Times are the best of ``--repeats``: other programs only ever add to them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.config import PredictConfig
from napari_nucleiseg.device import cpu_threads, open_on_cpu, open_session
from napari_nucleiseg.images import intensity_range, normalise
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.models import Model, find_model, read_graph, read_weights
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.synthetic import make_image

KERAS_SHAPES = ((8, 256, 256, 3), (1, 512, 512, 3), (1, 1024, 1024, 3))
LARGE = 8192
_BLOCK = 512  # px: larger images are a mosaic of made ones


def best_seconds(work: Callable[[], Any], repeats: int) -> float:
    """Run work once to warm up, then take the shortest of some runs."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def mosaic(edge: int, *, colour: bool = False) -> np.ndarray:
    """Make a square image of touching nuclei: blocks of different looks, repeated."""
    block = min(edge, _BLOCK)
    blocks = [make_image("fluorescence", (block, block), seed)[0] for seed in range(4)]
    tile = np.block([[blocks[0], blocks[1]], [blocks[2], blocks[3]]]) if edge > block else blocks[0]
    repeats = -(-edge // tile.shape[0])
    if colour:
        return np.tile(tile[..., None], (repeats, repeats, 3))[:edge, :edge]
    return np.tile(tile, (repeats, repeats))[:edge, :edge]


def maps_of(predictor: Predictor, image: np.ndarray, config: PredictConfig) -> np.ndarray:
    """Predict to the end."""
    *_, last = predictor.predict_maps(image, config)
    return last.values["maps"]


def network_seconds(model: Model, batch: np.ndarray, repeats: int) -> float:
    """Shortest time of the network alone, started for this shape as `runner.Runner` does."""
    graph = read_graph(model)
    names = open_session(graph)[0].get_inputs()[0].shape[:3]
    session = open_on_cpu(graph, dict(zip(names, batch.shape, strict=False)))
    return best_seconds(lambda: session.run(None, {"image": batch}), repeats)


def measure_edge(model: Model, edge: int, config: PredictConfig, repeats: int) -> dict[str, float]:
    """Megapixels a second of each part of a prediction, for one size of image."""
    predictor = Predictor(model)
    image = mosaic(edge)
    megapixels = edge * edge / 1e6
    repeats = repeats if edge <= 1024 else min(repeats, 2)
    side = min(edge, config.tile)
    tile = normalise(image[:side, :side], *intensity_range(image))[None]
    network = network_seconds(model, tile, repeats)
    maps = best_seconds(lambda: maps_of(predictor, image, config), repeats)
    answer = maps_of(predictor, image, config)
    decoding = best_seconds(lambda: labels_from_maps(answer, model.decode), repeats)
    return {
        "network": tile[0, ..., 0].size / 1e6 / network,
        "maps": megapixels / maps,
        "decoding": megapixels / decoding,
        "whole": megapixels / (maps + decoding),
        "decoding share": decoding / (maps + decoding),
        "nuclei": int(labels_from_maps(answer, model.decode).max()),
    }


def print_sizes(model: Model, edges: Sequence[int], config: PredictConfig, repeats: int) -> None:
    """Print a line for each size of image."""
    print(f"{'image':>8} {'network':>9} {'maps':>7} {'decoding':>9} {'whole':>7} Mpx/s"
          f"   {'decoding is':>11} {'nuclei':>7}")  # fmt: skip
    for edge in edges:
        found = measure_edge(model, edge, config, repeats)
        print(f"{edge:>7}² {found['network']:9.2f} {found['maps']:7.2f} {found['decoding']:9.1f}"
              f" {found['whole']:7.2f}         {found['decoding share']:10.0%}"
              f" {found['nuclei']:8.0f}", flush=True)  # fmt: skip


# ------------------------------------------------------------------ processes of their own
def run_child(*arguments: str) -> dict[str, Any]:
    """Run this program again for one measurement; its last line is JSON."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def peak_megabytes() -> float:
    """Most memory that this process held; `ru_maxrss` may count the parent's as well."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(each.split()[1]) for each in lines if each.startswith("VmHWM:")) / 1024
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def large_in_child(model: Model, config: PredictConfig) -> dict[str, float]:
    """Predict one very large image; seconds and megabytes."""
    image = mosaic(LARGE, colour=True)
    start = time.perf_counter()
    maps = maps_of(Predictor(model), image, config)
    after_maps = peak_megabytes()
    labels = labels_from_maps(maps, model.decode)
    return {
        "seconds": time.perf_counter() - start,
        "peak": peak_megabytes(),
        "peak of maps": after_maps,
        "nuclei": int(labels.max()),
    }


def keras_in_child(model: Model, repeats: int) -> dict[str, float]:
    """Megapixels a second of the same network in Keras."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from napari_nucleiseg.nn.networks import build_network
    from napari_nucleiseg.nn.weights import set_weights

    network = build_network(model.network)
    set_weights(network, read_weights(model))
    speeds = {}
    for shape in KERAS_SHAPES:
        batch = np.zeros(shape, np.float32)
        seconds = best_seconds(lambda batch=batch: network.predict_on_batch(batch), repeats)
        speeds[str(shape)] = batch[..., 0].size / 1e6 / seconds
    return speeds


def print_keras(model: Model, repeats: int) -> None:
    """Print the speed of Keras and of ONNX Runtime on the same inputs."""
    keras = run_child("--keras-in-child", "--model", str(model.folder), "--repeats", str(repeats))
    print(f"{'input':>20} {'Keras':>7} {'ONNX Runtime':>13} Mpx/s   ratio")
    for shape in KERAS_SHAPES:
        batch = np.zeros(shape, np.float32)
        speed = batch[..., 0].size / 1e6 / network_seconds(model, batch, repeats)
        slow = keras[str(shape)]
        print(f"{shape!s:>20} {slow:7.2f} {speed:13.2f} {speed / slow:13.2f}", flush=True)


def print_large(model: Model, config: PredictConfig) -> None:
    """Print time and memory of one very large image."""
    options = ["--tile", str(config.tile), *(["--detail"] if config.detail else [])]
    found = run_child("--large-in-child", "--model", str(model.folder), *options)
    print(
        f"{LARGE}² colour: {LARGE**2 / 1e6 / found['seconds']:.2f} Mpx/s,"
        f" {found['seconds']:.1f} s, {found['nuclei']} nuclei,"
        f" peak {found['peak']:.0f} MB ({found['peak of maps']:.0f} MB until the maps were there)"
    )


def print_cold(model: Model, config: PredictConfig) -> None:
    """Print how long a person waits for the first labels."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.png"
        cv2.imwrite(str(image), mosaic(1024))
        arguments = ["predict", str(image), "--out", f"{folder}/out", "--model", str(model.folder)]
        arguments += ["--tile", str(config.tile), *(["--detail"] if config.detail else [])]
        start = time.perf_counter()
        code = "import sys; from napari_nucleiseg.cli import main; sys.exit(main(sys.argv[1:]))"
        subprocess.run(
            [sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL
        )
        print(f"nucleiseg predict, one 1024² image, cold: {time.perf_counter() - start:.2f} s")


def main() -> None:
    """Read the command line, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="nuclei", help="name or folder")
    parser.add_argument("--edges", type=int, nargs="*", default=[256, 1024, 4096], metavar="PX")
    parser.add_argument("--tile", type=int, default=PredictConfig().tile, metavar="PX")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--detail", action="store_true", help="as nucleiseg predict --detail")
    for name, help_text in (
        ("--cold", "time nucleiseg predict from its start"),
        ("--large", f"predict a {LARGE}² image and print the peak of memory"),
        ("--keras", "run the same network in Keras too"),
        ("--large-in-child", argparse.SUPPRESS),
        ("--keras-in-child", argparse.SUPPRESS),
    ):
        parser.add_argument(name, action="store_true", help=help_text)
    options = parser.parse_args()
    model = find_model(options.model)
    config = PredictConfig(tile=options.tile, detail=options.detail)
    if options.large_in_child:
        print(json.dumps(large_in_child(model, config)))
    elif options.keras_in_child:
        print(json.dumps(keras_in_child(model, options.repeats)))
    else:
        device = Predictor(model).device
        print(f"{model.name} ({model.network}) on {device.name}, {cpu_threads()} threads,"
              f" tiles of {config.tile} px. {device.reason}")  # fmt: skip
        print_sizes(model, options.edges, config, options.repeats)
        if options.cold:
            print_cold(model, config)
        if options.large:
            print_large(model, config)
        if options.keras:
            print_keras(model, options.repeats)


if __name__ == "__main__":
    main()
