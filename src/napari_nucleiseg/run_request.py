"""What a training is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_nucleiseg.config import RecipeConfig, TrainConfig


@dataclass(frozen=True)
class Request:
    """What to train on, and where to.

    Attributes
    ----------
    dataset : str
        Path of a dataset with masks.
    out : str
        Folder of the run.
    config : TrainConfig or RecipeConfig
    start : str
        Name or path of the model to start from; empty for none.
    name : str
        Of the new model; the folder's name by default.
    table : str
        A csv file of samples; found beside the dataset when empty.
    """

    dataset: str
    out: str
    config: TrainConfig | RecipeConfig
    start: str = ""
    name: str = ""
    table: str = ""

    @property
    def model_name(self) -> str:
        """Name of the new model."""
        return self.name or Path(self.out).name
