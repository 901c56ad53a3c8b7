from __future__ import annotations

import pytest

from napari_nucleiseg.presets import Preset, estimate_seconds, preset_config


@pytest.mark.parametrize("preset", list(Preset))
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
