"""What a training leaves in its folder: a checkpoint to go on with, and curves to look at."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from napari_nucleiseg.atomic import write_bytes_atomically
from napari_nucleiseg.config import RecipeConfig, TrainConfig, changed_values
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.nn.checkpoints import read_checkpoint, write_checkpoint
from napari_nucleiseg.nn.tensorboard import write_scalars
from napari_nucleiseg.nn.weights import Arrays, set_weights, weights_of
from napari_nucleiseg.run_folder import CHECKPOINTS, CURVES, TENSORBOARD


def write_state(
    folder: Path,
    step: int,
    model: keras.Model,
    config: TrainConfig | RecipeConfig,
    state: Mapping[str, Any],
    weights: Mapping[str, Arrays],
) -> None:
    """Write a checkpoint of a network in training.

    Parameters
    ----------
    folder : Path
        Of the run.
    step : int
        Steps or epochs done.
    model : keras.Model
        Compiled; its weights and its optimizer's are kept.
    config : TrainConfig or RecipeConfig
    state : mapping
        What JSON can hold, besides the config.
    weights : mapping of str to dict of str to array
        Other weights, e.g. the best ones.

    Raises
    ------
    SaveFailed
        If it cannot be written; the earlier checkpoints stay.
    """
    optimizer = {
        str(index): keras.ops.convert_to_numpy(each.value)
        for index, each in enumerate(model.optimizer.variables)
    }
    parts = {"weights": weights_of(model), "optimizer": optimizer, **weights}
    state = {"config": dataclasses.asdict(config), **state}
    write_checkpoint(folder / CHECKPOINTS, step, state, parts)


def restore_state(
    folder: Path, model: keras.Model, config: TrainConfig | RecipeConfig
) -> tuple[int, dict[str, Any], dict[str, Arrays]] | None:
    """Put the newest checkpoint into a network and its optimizer.

    Returns
    -------
    step : int
    state : dict
    weights : dict of str to dict of str to array
        All as given to `write_state`; None where no checkpoint is.

    Raises
    ------
    BadInput
        If the run was begun with another config, or by another version of this program that
        trained other layers; the network is as it was.
    """
    found = read_checkpoint(folder / CHECKPOINTS)
    if found is None:
        return None
    step, state, parts = found
    _check_same_config(state["config"], config, folder)
    variables, saved = model.optimizer.variables, parts["optimizer"]
    values = [saved[str(index)] for index in range(len(saved))]
    if [each.shape for each in variables] != [each.shape for each in values]:
        raise BadInput(
            f"{folder} holds a run of another version of this program, which trained other "
            "layers: train into another folder."
        )
    set_weights(model, parts["weights"])
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return step, state, parts


def _check_same_config(
    before: Mapping[str, Any], config: TrainConfig | RecipeConfig, folder: Path
) -> None:
    changed = changed_values(before, config)
    if changed:
        raise BadInput(
            f"{folder} holds a run begun with another {', '.join(changed)}; give the same values "
            "to go on with it, or another folder to begin a new one."
        )


def write_curves(
    folder: Path,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    step: int,
    scalars: Mapping[str, float],
) -> None:
    """Write the curves so far.

    Parameters
    ----------
    folder : Path
        Of the run.
    columns : sequence of str
        Header of the table.
    rows : iterable of mapping
        The table, a row for each validation; it is written anew.
    step : int
        Steps or epochs done.
    scalars : mapping of str to float
        For TensorBoard, of the last validation.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes_atomically(folder / CURVES, text.getvalue().encode())
    write_scalars(folder / TENSORBOARD, step, scalars)
