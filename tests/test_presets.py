from __future__ import annotations

from dataclasses import replace

import pytest

from napari_nucleiseg.presets import Preset, estimate_seconds, fit_to_memory, preset_config

GIB = 2**30


@pytest.mark.parametrize("preset", [Preset.QUICK, Preset.THOROUGH])
def test_a_preset_takes_the_network_and_what_is_trained(preset: Preset) -> None:
    config = preset_config(preset, "unet", freeze_encoder=True)
    assert config.network == "unet"
    assert config.freeze_encoder
    assert config.steps % config.epoch_steps == 0


def test_quick_takes_under_three_minutes_on_two_cores() -> None:
    assert estimate_seconds(preset_config(Preset.QUICK, "nuclei", freeze_encoder=False), 2) < 180


def test_more_pixels_take_longer_and_more_threads_less() -> None:
    config = preset_config(Preset.THOROUGH, "nuclei", freeze_encoder=False)
    frozen = preset_config(Preset.THOROUGH, "nuclei", freeze_encoder=True)
    assert estimate_seconds(frozen, 2) < estimate_seconds(config, 2)
    assert estimate_seconds(config, 8) < estimate_seconds(config, 2)


def test_the_classic_preset_has_its_own_network() -> None:
    config = preset_config(Preset.CLASSIC, "nuclei", freeze_encoder=True)
    assert config.network == "mobilenetv2-unet"
    assert config.freeze_encoder
    assert not preset_config(Preset.CLASSIC, "nuclei", freeze_encoder=False).freeze_encoder
    assert (config.batch, config.crop) == (16, 128)


def test_batch_and_crop_shrink_until_they_fit() -> None:
    config = preset_config(Preset.QUICK, "nuclei", freeze_encoder=False)
    assert fit_to_memory(config, 16 * GIB) == config
    assert fit_to_memory(config, None) == config
    sizes = [fit_to_memory(config, free * GIB // 2) for free in range(33)]
    pixels = [each.batch * each.crop**2 for each in sizes]
    assert pixels == sorted(pixels)
    tight = fit_to_memory(config, 3 * GIB)
    assert tight.crop == config.crop, "small batches first"
    assert 2 <= tight.batch < config.batch
    least = fit_to_memory(config, 0)
    assert (least.batch, least.crop) == (2, 128)
    assert least.learning_rate == config.learning_rate


def test_what_is_small_already_is_left_alone() -> None:
    config = replace(preset_config(Preset.QUICK, "nuclei", freeze_encoder=False), batch=1, crop=64)
    assert fit_to_memory(config, 0) == config
