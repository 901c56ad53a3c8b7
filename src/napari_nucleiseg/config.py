"""Every parameter of the program, once.

A parameter's name, default, range, unit and help text stand here and nowhere else:
the command line's flags and the forms in the docks are made from these fields.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NETWORKS = ("nuclei", "mobilenetv2-unet", "unet")
"""Names of the architectures that this program can build."""
SHIPPED = "nuclei"
"""Name of the model that comes with the program, which is used where none is named."""


def parameter(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    multiple: int = 1,
    unit: str = "",
    low_means: str = "",
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare one parameter: a dataclass field whose metadata describes it.

    Parameters
    ----------
    default : bool, int, float or str
        Its type is the parameter's type.
    help : str
        One sentence: the tooltip in the dock and the help on the command line.
    low, high : float, optional
        The allowed range, both ends included.
    step : float, optional
        What one notch of a slider changes.
    multiple : int
        An int must be a multiple of this.
    unit : str
        The unit of the value, as shown behind it.
    low_means : str
        What a form shows in place of the lowest value.
    choices : tuple of str
        The allowed values of a str parameter.
    """
    return field(
        default=default,
        metadata={
            "help": help,
            "low": low,
            "high": high,
            "step": step,
            "multiple": multiple,
            "unit": unit,
            "low_means": low_means,
            "choices": choices,
        },
    )


class Config:
    """What all configs share: a frozen dataclass that refuses values out of range."""

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):  # type: ignore[arg-type]
            _check(each, getattr(self, each.name))


def changed_values(before: Mapping[str, Any], now: Config) -> dict[str, tuple[Any, Any]]:
    """Compare a config with the recorded values of another one of its kind.

    Returns
    -------
    dict of str to (before, now)
        Of the parameters that differ. One that is not in the record, because there was none
        yet, had what is its default now.
    """
    before = {**dataclasses.asdict(type(now)()), **before}  # type: ignore[call-overload]
    values = dataclasses.asdict(now)  # type: ignore[call-overload]
    return {name: (before[name], value) for name, value in values.items() if value != before[name]}


def _check(each: dataclasses.Field[Any], value: Any) -> None:
    kind = type(each.default)
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{each.name} is {value!r}; expected a {kind.__name__}.")
    low, high, choices = (each.metadata.get(key) for key in ("low", "high", "choices"))
    if choices and value not in choices:
        raise ValueError(f"{each.name} is {value!r}; expected one of {', '.join(choices)}.")
    if kind in (int, float) and not (low is None or low <= value):
        raise ValueError(f"{each.name} is {value}; expected {low} or more.")
    if kind in (int, float) and not (high is None or value <= high):
        raise ValueError(f"{each.name} is {value}; expected {high} or less.")
    multiple = each.metadata.get("multiple", 1)
    if kind is int and value % multiple:
        raise ValueError(f"{each.name} is {value}; expected a multiple of {multiple}.")


@dataclass(frozen=True)
class DecodeConfig(Config):
    """How maps become labels."""

    foreground: float = parameter(
        0.5, "A pixel belongs to a nucleus above this.", low=0.05, high=0.95, step=0.01
    )
    distance: float = parameter(
        0.2,
        "A nucleus is seeded where the distance rises by this much above its surroundings.",
        low=0.02,
        high=0.95,
        step=0.01,
    )
    border: float = parameter(
        0.5,
        "Touching nuclei are parted where the border is above this.",
        low=0.05,
        high=0.95,
        step=0.01,
    )
    merge: float = parameter(
        1.0,
        "Parts that touch become one nucleus where that is likelier than this; 1 leaves them.",
        low=0.05,
        high=1.0,
        step=0.01,
    )
    confidence: float = parameter(
        0.0,
        "Nuclei that are less likely than this are dropped; 0 keeps all.",
        low=0.0,
        high=0.95,
        step=0.01,
    )
    min_area: int = parameter(
        0,
        "Smaller objects are dropped. 0 estimates it: 20 px², less where the nuclei are small.",
        low=0,
        high=10_000,
        step=1,
        unit="px²",
        low_means="automatic",
    )


@dataclass(frozen=True)
class PredictConfig(Config):
    """How an image goes through a network."""

    diameter: float = parameter(
        0.0,
        "Typical diameter of the nuclei; the image is rescaled to suit the model. 0 estimates it.",
        low=0.0,
        high=500.0,
        step=1.0,
        unit="px",
        low_means="automatic",
    )
    detail: bool = parameter(
        False,
        "Look once more at twice the size: finer outlines in fluorescence, for five times the "
        "time. Stained tissue loses a little; large nuclei are left as they are.",
    )
    tile: int = parameter(
        1088, "Edge of the tiles that an image is cut into.", low=128, high=4096, step=32, unit="px"
    )


@dataclass(frozen=True)
class TrainConfig(Config):
    """How a network is trained."""

    network: str = parameter("nuclei", "Architecture.", choices=NETWORKS)
    steps: int = parameter(6000, "Training steps in all.", low=1, high=1_000_000)
    epoch_steps: int = parameter(200, "Steps between two validations.", low=1, high=100_000)
    batch: int = parameter(8, "Crops a step.", low=1, high=256)
    crop: int = parameter(
        192, "Edge of a training crop.", low=64, high=1024, step=32, multiple=32, unit="px"
    )
    learning_rate: float = parameter(2e-3, "Peak learning rate.", low=1e-7, high=1.0)
    warmup_steps: int = parameter(
        100, "Steps until the peak learning rate is reached.", low=0, high=100_000
    )
    weight_decay: float = parameter(1e-4, "Weight decay of AdamW.", low=0.0, high=1.0)
    ema: float = parameter(
        0.998,
        "Decay per step of the moving average of the weights; the average is validated and kept.",
        low=0.0,
        high=0.99999,
    )
    refine_steps: int = parameter(
        0,
        # What a network learns of augmented images fits real ones less (He et al. 2019).
        "Steps at the end of the training in which most crops are not augmented.",
        low=0,
        high=1_000_000,
    )
    share_of_new: float = parameter(
        1.0,
        "Share of the trained weights in their average with the start's: 1 keeps the trained "
        "ones, 0.5 the mean. At most 2/3 where images that the start learned from are mixed in.",
        low=0.1,
        high=1.0,
    )
    validation: float = parameter(
        0.15, "Share of the images that are held out, in whole fields of view.", low=0.0, high=0.9
    )
    freeze_encoder: bool = parameter(False, "Train the decoder only.")
    freeze_norm: bool = parameter(
        False,
        "Keep the BatchNorm layers of the starting model unchanged: a few images are too few to "
        "estimate them.",
    )
    patience: int = parameter(
        0,
        "Validations without improvement until training stops. 0 never stops.",
        low=0,
        high=10_000,
    )
    seed: int = parameter(0, "Seed of the split, the weights and the crops.", low=0, high=2**31 - 1)
    scale_low: float = parameter(0.5, "Smallest zoom of a crop.", low=0.1, high=1.0)
    scale_high: float = parameter(2.2, "Largest zoom of a crop.", low=1.0, high=8.0)
    border_weight: float = parameter(
        5.0, "Weight of border pixels in the loss.", low=1.0, high=100.0
    )


@dataclass(frozen=True)
class RecipeConfig(Config):
    """How a two-class network is trained the published way, on whole resized images."""

    network: str = parameter(
        "mobilenetv2-unet", "Architecture.", choices=("mobilenetv2-unet", "unet")
    )
    epochs: int = parameter(100, "Passes over the training images.", low=1, high=10_000)
    batch: int = parameter(16, "Images a step.", low=1, high=256)
    edge: int = parameter(
        128, "Images are resized to this edge.", low=64, high=1024, step=32, multiple=32, unit="px"
    )
    learning_rate: float = parameter(1e-3, "Learning rate of Adam.", low=1e-7, high=1.0)
    patience: int = parameter(
        20, "Epochs without improvement until training stops. 0 never stops.", low=0, high=10_000
    )
    validation: float = parameter(
        0.2, "Share of the images that are held out, in whole fields of view.", low=0.0, high=0.9
    )
    seed: int = parameter(0, "Seed of the split, the weights and the flips.", low=0, high=2**31 - 1)


RECIPES = {"classic": RecipeConfig(), "unet": RecipeConfig(network="unet", patience=0)}
