"""The published way of training: whole images at one size, two classes of pixels.

After TensorFlow's tutorial on image segmentation (an encoder that learned from other
images is frozen, a decoder is trained) and Ronneberger et al. 2015 (the plain U-Net).
"""

from __future__ import annotations

import dataclasses
import math
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from napari_nucleiseg.atomic import write_bytes_atomically
from napari_nucleiseg.config import RecipeConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.nn.networks import build_network, encoder_layers, freeze_encoder
from napari_nucleiseg.nn.pixels import (
    Pixels,
    epoch_batches,
    picture,
    pixel_scores,
    predict_nuclei,
    scores_by_modality,
)
from napari_nucleiseg.nn.run_files import restore_state, write_curves, write_state
from napari_nucleiseg.nn.weights import Arrays, set_weights, weights_of
from napari_nucleiseg.overlay import encode_png
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.run_folder import PICTURES


class Encoder(NamedTuple):
    """What the encoder of a network starts from.

    Attributes
    ----------
    weights : mapping of str to array, or None
        By Keras' path of each weight; random when None.
    note : str
        Where they are from, for the report.
    model : str
        Name of the model that they are of; empty if of none.
    """

    weights: Mapping[str, np.ndarray] | None
    note: str
    model: str = ""


@dataclasses.dataclass(frozen=True)
class Learned:
    """What a recipe leaves behind.

    Attributes
    ----------
    weights : dict of str to array
        Those of the epoch with the smallest validation loss.
    report : dict
        Scores on validation and test before and after, and what happened between.
    margins : (N, edge, edge) float32
        Of the test images, see `predict_nuclei`.
    steps : int
        Training steps done.
    """

    weights: Arrays
    report: dict[str, Any]
    margins: np.ndarray
    steps: int


def imagenet_encoder() -> Arrays | None:
    """Download MobileNetV2's ImageNet weights; None where that fails."""
    try:
        model = build_network("mobilenetv2-unet", "imagenet")
    except Exception:  # noqa: BLE001 (Keras raises a bare Exception when a download fails)
        return None
    return encoder_part(weights_of(model))


def encoder_part(weights: Mapping[str, np.ndarray]) -> Arrays:
    """Take the weights of the MobileNetV2 encoder out of those of a whole network."""
    names = {each.path for each in _encoder_variables(build_network("mobilenetv2-unet"))}
    found = {name: value for name, value in weights.items() if name in names}
    if found.keys() != names:
        raise BadInput("These weights hold no MobileNetV2 encoder; name a model that has one.")
    return found


def train_recipe(
    train: Pixels,
    validation: Pixels,
    test: Pixels,
    config: RecipeConfig,
    folder: Path,
    encoder: Callable[[], Encoder],
) -> Iterator[Progress]:
    """Train a two-class network; the same call goes on where an interrupted one was.

    Parameters
    ----------
    train, validation, test : Pixels
        No field of view may stand in two of them. `test` may be empty.
    config : RecipeConfig
        A run that is resumed must be given the config it was begun with.
    folder : Path
        Takes checkpoints, curves and pictures.
    encoder : callable
        Gives an `Encoder`. Asked only when a run begins.

    Yields
    ------
    Progress
        Kind "start" with "encoder" and "model", the note and the name in `Encoder`; "step"
        with the loss, "epoch" with a row of scores, and at last "trained"
        whose values hold a `Learned`.

    Raises
    ------
    BadInput
        If there is nothing to train or validate on, or the loss is not finite.
    """
    if not len(train) or not len(validation):
        raise BadInput(
            f"There are {len(train)} images to train on and {len(validation)} to validate on; "
            "annotate images of at least two fields of view."
        )
    run = _Run(train, validation, test, config, folder)
    yield from run.begin(encoder)
    while run.epoch < config.epochs and not run.out_of_patience:
        yield from run.take_epoch()
    yield from run.finish()


class _Run:
    """The network and the best weights so far, while training goes on."""

    def __init__(
        self, train: Pixels, validation: Pixels, test: Pixels, config: RecipeConfig, folder: Path
    ) -> None:
        self.train, self.validation, self.test = train, validation, test
        self.config, self.folder = config, folder
        self.epoch, self.rows = 0, list[dict[str, Any]]()
        self.before: dict[str, Any] = {}
        self.encoder, self.model_of_encoder = "", ""
        self.best_epoch, self.best_loss = 0, math.inf
        self.steps_per_epoch = -(-len(train) // config.batch)
        keras.utils.set_random_seed(config.seed)
        self.model = _compiled(config)
        self.best = weights_of(self.model)

    @property
    def total(self) -> int:
        return self.config.epochs * self.steps_per_epoch

    @property
    def step(self) -> int:
        return self.epoch * self.steps_per_epoch

    @property
    def out_of_patience(self) -> bool:
        return 0 < self.config.patience <= self.epoch - self.best_epoch

    def begin(self, encoder: Callable[[], Encoder]) -> Iterator[Progress]:
        """Go on from the newest checkpoint, or score the untrained network."""
        if not self._resume():
            weights, self.encoder, self.model_of_encoder = encoder()
            if weights is not None:
                set_weights(self.model, {**self.best, **weights})
            self.best = weights_of(self.model)
            yield self._start("Evaluating before training")
            self.before, _ = yield from self._report()
            yield Progress(0, self.total, "Evaluated", "before", self.before)
        else:
            yield self._start("Resuming")

    def _start(self, message: str) -> Progress:
        values = {"encoder": self.encoder, "model": self.model_of_encoder, "epoch": self.epoch}
        return Progress(self.step, self.total, message, "start", values)

    def take_epoch(self) -> Iterator[Progress]:
        began, losses, accuracies, counts = time.monotonic(), [], [], []
        batches = epoch_batches(self.train, self.config.batch, self.config.seed, self.epoch + 1)
        for index, (images, masks) in enumerate(batches, start=1):
            loss, accuracy = (float(each) for each in self.model.train_on_batch(images, masks))
            if not math.isfinite(loss):
                raise BadInput(
                    f"The loss became {loss} in epoch {self.epoch + 1}: training stopped and the "
                    "checkpoint before is kept; train again with a smaller learning rate."
                )
            losses.append(loss)
            accuracies.append(accuracy)
            counts.append(len(images))
            values = {"loss": loss}
            yield Progress(self.step + index, self.total, kind="step", values=values)
        margins = yield from predict_nuclei(self.model, self.validation, self.config.batch)
        scores = pixel_scores(margins, self.validation.masks)
        self.epoch += 1
        if scores["loss"] < self.best_loss:
            self.best, self.best_loss = weights_of(self.model), scores["loss"]
            self.best_epoch = self.epoch
        row = {
            "epoch": self.epoch,
            "loss": round(float(np.average(losses, weights=counts)), 5),
            "accuracy": round(float(np.average(accuracies, weights=counts)), 5),
            **{f"val_{name}": value for name, value in scores.items()},
            "best_epoch": self.best_epoch,
            "seconds": round(time.monotonic() - began, 2),
        }
        self.rows.append(row)
        self._draw(margins)
        self._write()
        yield Progress(self.step, self.total, kind="epoch", values=row)

    def finish(self) -> Iterator[Progress]:
        """Score the best weights."""
        set_weights(self.model, self.best)
        after, margins = yield from self._report()
        report = {
            "encoder": self.encoder,
            "epochs": self.epoch,
            "best_epoch": self.best_epoch,
            "seconds": round(sum(each["seconds"] for each in self.rows), 1),
            "images": {
                "train": len(self.train),
                "validation": len(self.validation),
                "test": len(self.test),
            },
            "before": self.before,
            "after": after,
        }
        learned = Learned(self.best, report, margins, self.step)
        yield Progress(self.step, self.total, kind="trained", values={"trained": learned})

    def _report(self) -> Generator[Progress, None, tuple[dict[str, Any], np.ndarray]]:
        """Score validation and test; draws the picture where nothing is trained yet."""
        report = {}
        margins = yield from predict_nuclei(self.model, self.validation, self.config.batch)
        report["validation"] = scores_by_modality(margins, self.validation)
        if not self.epoch:
            self._draw(margins)
        margins = yield from predict_nuclei(self.model, self.test, self.config.batch)
        if len(self.test):
            report["test"] = scores_by_modality(margins, self.test)
        return report, margins

    def _draw(self, margins: np.ndarray) -> None:
        """Keep what the network says of the first held-out image after this epoch."""
        drawn = picture(self.validation.images[0], self.validation.masks[0], margins[0])
        path = self.folder / PICTURES / f"epoch-{self.epoch:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, encode_png(drawn))

    def _write(self) -> None:
        state = {
            "encoder": self.encoder,
            "model": self.model_of_encoder,
            "before": self.before,
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "rows": self.rows,
        }
        write_state(self.folder, self.epoch, self.model, self.config, state, {"best": self.best})
        row = self.rows[-1]
        scalars = {f"train/{name}": row[name] for name in ("loss", "accuracy")}
        for name in ("loss", "accuracy", "iou", "dice"):
            scalars[f"validation/{name}"] = row[f"val_{name}"]
        write_curves(self.folder, list(row), self.rows, self.epoch, scalars)

    def _resume(self) -> bool:
        found = restore_state(self.folder, self.model, self.config)
        if found is None:
            return False
        self.epoch, state, weights = found
        self.best, self.rows = weights["best"], state["rows"]
        self.best_epoch, self.best_loss = state["best_epoch"], state["best_loss"]
        self.before, self.encoder = state["before"], state["encoder"]
        self.model_of_encoder = state.get("model", _model_in(self.encoder))
        return True


def _model_in(note: str) -> str:
    """Read the name of a model in a note; older checkpoints have it only there."""
    found = re.match("of the model ([^,;]+)", note)
    return found[1] if found else ""


def _compiled(config: RecipeConfig) -> keras.Model:
    model = build_network(config.network)
    freeze_encoder(model)
    optimizer = keras.optimizers.Adam(config.learning_rate)
    optimizer.build(model.trainable_variables)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def _encoder_variables(model: keras.Model) -> list[Any]:
    return [weight for each in encoder_layers(model) for weight in each.weights]
