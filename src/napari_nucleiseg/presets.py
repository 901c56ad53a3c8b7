"""Ways to train that suit most people, and how long they take."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from napari_nucleiseg.config import TrainConfig


class Preset(StrEnum):
    """How much time is given to training."""

    QUICK = "quick"
    THOROUGH = "thorough"
    CLASSIC = "classic"


_CONFIGS = {
    # A model that knows nuclei needs few steps to learn another stain, and BatchNorm held, or
    # AP .5 on fluorescence falls by .03. 240 steps at 3e-4 were too few for 30 images.
    Preset.QUICK: TrainConfig(
        steps=360,
        epoch_steps=45,
        learning_rate=5e-4,
        warmup_steps=20,
        ema=0.99,
        validation=0.2,
        freeze_norm=True,
    ),
    Preset.THOROUGH: TrainConfig(
        steps=3000, epoch_steps=150, learning_rate=1e-3, patience=8, validation=0.2
    ),
    # What fits here of `nucleiseg train --recipe classic`: its network, crop, batch and split.
    Preset.CLASSIC: TrainConfig(
        network="mobilenetv2-unet",
        steps=2000,
        epoch_steps=40,
        batch=16,
        crop=128,
        learning_rate=1e-3,
        weight_decay=0.0,
        patience=20,
        validation=0.2,
    ),
}

# Seconds a step of 8 crops of 192 px on 2 cores: all layers trained, and decoder only.
_STEP_SECONDS = {"nuclei": (0.33, 0.21), "mobilenetv2-unet": (1.1, 0.7), "unet": (1.5, 1.5)}
_PIXELS, _THREADS = 8 * 192 * 192, 2
_START_AND_EXPORT = 45.0  # s: tracing, validation and the ONNX graph

# Bytes of a training process: without crops, and a pixel of them (measured: 3,400 for
# `nuclei`, 2,000 for the others). It takes half of what is free at most, for napari's sake.
_BYTES, _PIXEL_BYTES, _SHARE = 1.2e9, 3600, 0.5
_SMALLEST_BATCH, _SMALLEST_CROP = 2, 128


def preset_config(preset: Preset, network: str, *, freeze_encoder: bool) -> TrainConfig:
    """Give the config of a preset for a network; the classic one has its own."""
    if preset is Preset.CLASSIC:
        network = _CONFIGS[preset].network
    return replace(_CONFIGS[preset], network=network, freeze_encoder=freeze_encoder)


def fit_to_memory(config: TrainConfig, free: int | None) -> TrainConfig:
    """Choose batch and crop so that a training fits into the memory.

    Parameters
    ----------
    config : TrainConfig
        What is wanted.
    free : int or None
        As `free_memory` tells [bytes]; None leaves all as it is.

    Returns
    -------
    TrainConfig
        First the crops a step are halved, down to 2, then their edge is shortened, down to
        128 px: TensorFlow ends the process where it finds no memory, and nothing is left
        to catch.
    """
    if free is None:
        return config
    pixels = max(0.0, _SHARE * free - _BYTES) / _PIXEL_BYTES
    while config.batch * config.crop**2 > pixels and config.batch > _SMALLEST_BATCH:
        config = replace(config, batch=max(_SMALLEST_BATCH, config.batch // 2))
    while config.batch * config.crop**2 > pixels and config.crop > _SMALLEST_CROP:
        config = replace(config, crop=config.crop - 32)
    return config


def estimate_seconds(config: TrainConfig, threads: int) -> float:
    """Estimate how long a training takes on the processor at most [s].

    Measured on 2 cores, and scaled by pixels and threads. It holds within a factor of two,
    until the first steps of the run itself tell better.

    Parameters
    ----------
    config : TrainConfig
    threads : int
    """
    step = _STEP_SECONDS[config.network][config.freeze_encoder]
    pixels = config.batch * config.crop**2 / _PIXELS
    return _START_AND_EXPORT + config.steps * step * pixels * _THREADS / max(threads, 1)
