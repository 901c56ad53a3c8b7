"""A config with a parameter of every kind."""

from __future__ import annotations

from dataclasses import dataclass

from napari_nucleiseg.config import Config, parameter


@dataclass(frozen=True)
class Soup(Config):
    salt: float = parameter(0.5, "How salty.", low=0.0, high=1.0, step=0.01)
    water: int = parameter(
        20, "How much water.", low=0, high=10_000, step=1, unit="ml", low_means="none"
    )
    beans: int = parameter(64, "How many beans.", low=32, high=1024, multiple=32)
    heat: float = parameter(0.002, "How hot.", low=1e-6, high=1.0)
    vegan: bool = parameter(True, "Without meat.")
    kind: str = parameter("bean", "Which soup.", choices=("pea", "bean"))
