"""How long a training step of `nuclei` takes with the fused BatchNorm, and with Keras' own.

    python benchmarks/train_step.py [--rounds 3] [--steps 10] [--batch 8] [--crop 192]

Both networks are trained in turn in one process, so that a busy computer slows both.
"""

from __future__ import annotations

import argparse
import os
import time

import keras
import numpy as np

from napari_nucleiseg.nn.losses import MapsLoss
from napari_nucleiseg.nn.networks import build_network
from napari_nucleiseg.nn.norm import FusedBatchNormalization


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="of each network in a round")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop", type=int, default=192, help="px")
    options = parser.parse_args()
    fused = build_network("nuclei")
    networks = {
        "Keras": keras.models.clone_model(fused, clone_function=with_keras_norm),
        "fused": fused,
    }
    rng = np.random.default_rng(0)
    shape = (options.batch, options.crop, options.crop, 3)
    crops = rng.uniform(-1, 1, shape).astype(np.float32)
    targets = (rng.integers(0, 2, shape) * 255).astype(np.uint8)
    for network in networks.values():
        network.compile(optimizer=keras.optimizers.AdamW(1e-3), loss=MapsLoss())
        network.train_on_batch(crops, targets)  # traces
        network.train_on_batch(crops, targets)
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(options.rounds):
        for name, network in networks.items():
            start = time.perf_counter()
            for _ in range(options.steps):
                network.train_on_batch(crops, targets)
            seconds[name].append((time.perf_counter() - start) / options.steps)
    middle = {name: float(np.median(each)) for name, each in seconds.items()}
    for name, value in middle.items():
        print(f"{name} BatchNorm: {1000 * value:.0f} ms a step")
    print(f"ratio {middle['Keras'] / middle['fused']:.2f}, load {os.getloadavg()[0]:.1f}")


def with_keras_norm(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Copy a layer; Keras' own BatchNorm for the fused one."""
    kind = type(layer)
    if kind is FusedBatchNormalization:
        kind = keras.layers.BatchNormalization
    return kind.from_config(layer.get_config())


if __name__ == "__main__":
    main()
