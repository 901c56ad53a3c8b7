"""Ways to train that suit most people, and how long they take."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from napari_nucleiseg.config import TrainConfig


class Preset(StrEnum):
    """How much time is given to training."""

    QUICK = "quick"
    THOROUGH = "thorough"


_CONFIGS = {
    # A model that knows nuclei needs small steps, and few of them, to learn another stain.
    Preset.QUICK: TrainConfig(
        steps=240, epoch_steps=40, learning_rate=5e-4, warmup_steps=20, ema=0.99, validation=0.2
    ),
    Preset.THOROUGH: TrainConfig(
        steps=3000, epoch_steps=150, learning_rate=1e-3, patience=8, validation=0.2
    ),
}

# Seconds a step of 8 crops of 192 px on 2 cores: all layers trained, and decoder only.
_STEP_SECONDS = {"nuclei": (0.41, 0.27), "mobilenetv2-unet": (1.1, 0.7), "unet": (1.5, 1.5)}
_PIXELS, _THREADS = 8 * 192 * 192, 2
_START_AND_EXPORT = 45.0  # s: tracing, validation and the ONNX graph


def preset_config(preset: Preset, network: str, *, freeze_encoder: bool) -> TrainConfig:
    """Give the config of a preset for a network."""
    return replace(_CONFIGS[preset], network=network, freeze_encoder=freeze_encoder)


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
