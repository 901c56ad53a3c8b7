"""The training loop: one generator that yields after every step."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from napari_nucleiseg.config import DecodeConfig, TrainConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.nn.augment import Example
from napari_nucleiseg.nn.batches import Batch, batches
from napari_nucleiseg.nn.choosing import Choice
from napari_nucleiseg.nn.curves import COLUMNS, scalars, table_row
from napari_nucleiseg.nn.losses import MapsLoss
from napari_nucleiseg.nn.networks import build_network, freeze_encoder, freeze_norm
from napari_nucleiseg.nn.preview import Preview
from napari_nucleiseg.nn.run_files import restore_state, write_curves, write_state
from napari_nucleiseg.nn.validation import (
    HANDFUL,
    a_handful,
    by_modality,
    mean_ap,
    predict_example,
    score_maps,
    tune_thresholds,
    validation_crops,
)
from napari_nucleiseg.nn.weights import Arrays, set_weights, weights_of
from napari_nucleiseg.progress import Progress

EMA_EVERY = 10  # steps: copying the weights out costs a few hundredths of a second


@dataclasses.dataclass(frozen=True)
class Trained:
    """What training leaves behind.

    Attributes
    ----------
    weights : dict of str to array
        The best on validation.
    decode : DecodeConfig
        Thresholds tuned on validation and some old images, which they must suit too; those
        that were given where these are too few.
    scores : dict
        Mean AP and AP per modality on validation.
    steps : int
        Training steps done.
    """

    weights: Arrays
    decode: DecodeConfig
    scores: dict[str, Any]
    steps: int


def train_network(
    train: Sequence[Example],
    validation: Sequence[Example],
    config: TrainConfig,
    folder: Path,
    start: Mapping[str, np.ndarray] | None = None,
    *,
    old: Sequence[Example] = (),
    decode: DecodeConfig | None = None,
    finish_now: bool = False,
) -> Iterator[Progress]:
    """Train a network; the same call goes on where an interrupted one was.

    Parameters
    ----------
    train, validation : sequence of Example
        No field of view may stand in both.
    config : TrainConfig
        A run that is resumed must be given the config it was begun with.
    folder : Path
        Takes checkpoints, curves and pictures.
    start : mapping of str to array, optional
        Weights to start from, all or those of the encoder; random when None. If they are
        all there, they count as the first best ones.
    old : sequence of Example
        What `start` has learned from: most of the crops are of these, so that it does not
        unlearn.
    decode : DecodeConfig, optional
        Thresholds of the model that `start` is from.
    finish_now : bool
        Do not train on: go to the end with the best weights of the last checkpoint.

    Yields
    ------
    Progress
        Kind "start"; "step" with the loss; "epoch" with "loss", "mean_ap", "ap" per
        modality, "train_ap" (AP .5 on some training images), "train_mean_ap",
        "old_mean_ap" (on some of `old`, or None) and "picture", the path of a `Preview`;
        and at last "trained" whose values hold a `Trained`.

    Raises
    ------
    BadInput
        If there is nothing to train or validate on, nothing to finish, or loss or weights
        are not finite.
    """
    if not train or not validation:
        raise BadInput(
            f"There are {len(train)} images to train on and {len(validation)} to validate on; "
            "annotate images of at least two fields of view."
        )
    yield Progress(0, config.steps, "Preparing the network", "start")
    run = _Run(config, folder, (train, validation, old), start, decode)
    if finish_now:
        run.refuse_to_finish_nothing()
    else:
        yield from run.begin()
        for batch in batches(train, old, config, run.step):
            if run.out_of_patience:
                break
            yield run.take_step(batch)
            if run.is_to_validate:
                yield from run.validate()
    yield from run.finish()


class _Run:
    """Weights, their moving average and the best of them, while training goes on."""

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        examples: tuple[Sequence[Example], Sequence[Example], Sequence[Example]],
        start: Mapping[str, np.ndarray] | None,
        decode: DecodeConfig | None,
    ) -> None:
        self.config, self.folder = config, folder
        train, validation, old = examples
        self.validation = validation_crops(validation)
        self.handful, self.old = a_handful(train), a_handful(old, 2 * HANDFUL)
        self.preview = Preview(folder, self.validation[0])
        self.given_decode, self.decode = decode, decode or DecodeConfig()
        keras.utils.set_random_seed(config.seed)
        self.model = _compiled(config, start)
        self.step = 0
        own = weights_of(self.model)
        self.average = dict(own)
        self.knows_nuclei = start is not None and start.keys() == self.average.keys()
        self.best = Choice(
            config,
            own,
            knows_nuclei=self.knows_nuclei,
            beside_old=bool(self.old),
            held_out=len(self.validation),
        )
        self.rows: list[dict[str, Any]] = []
        self.losses: list[float] = []
        self._resume()
        self.averaged = self.step

    @property
    def out_of_patience(self) -> bool:
        stale = (self.step - self.best.step) // self.config.epoch_steps
        return bool(self.config.patience) and stale >= self.config.patience

    @property
    def is_to_validate(self) -> bool:
        return self.step % self.config.epoch_steps == 0 or self.step == self.config.steps

    def refuse_to_finish_nothing(self) -> None:
        if not self.rows:
            raise BadInput(
                "It was stopped before its first validation, so there is nothing to keep; "
                "resume it, or train again."
            )

    def begin(self) -> Iterator[Progress]:
        """See what the network can do before it learns; a resumed run has seen that."""
        if self.rows:
            yield Progress(self.step, self.config.steps, "Going on", "start")
        elif self.knows_nuclei:
            yield from self._score(loss=math.nan)
        else:
            self.preview.draw(predict_example(self.model, self.preview.example), self.decode, 0)

    def take_step(self, batch: Batch) -> Progress:
        loss = float(self.model.train_on_batch(*batch))
        if not math.isfinite(loss):
            raise BadInput(
                f"The loss became {loss} at step {self.step + 1}: training stopped and the best "
                "weights so far are kept; train again with a smaller learning rate."
            )
        self.step += 1
        self.losses.append(loss)
        if self.step % EMA_EVERY == 0 or self.is_to_validate:
            self._update_average()
        return Progress(self.step, self.config.steps, kind="step", values={"loss": loss})

    def _update_average(self) -> None:
        """Average over few steps at first, so that the random start is soon forgotten."""
        passed = self.step - self.averaged
        decay = min(self.config.ema**passed, self.step / (self.step + 100))
        self.averaged = self.step
        for name, value in weights_of(self.model).items():
            self.average[name] = decay * self.average[name] + (1 - decay) * value

    def validate(self) -> Iterator[Progress]:
        """Score the weights, keep them if they are the best, write a checkpoint."""
        self._refuse_spoiled_weights()
        yield from self._score(float(np.mean(self.losses)))
        self.losses.clear()

    def _score(self, loss: float) -> Iterator[Progress]:
        examples = [*self.validation, *self.handful, *self.old]
        maps: list[np.ndarray] = []
        yield Progress(self.step, self.config.steps, "Validating", "validate")
        candidate = self.best.candidate(self.average)
        for each in self._maps(candidate, examples):
            maps.append(each)
            yield Progress(self.step, self.config.steps, "Validating", "validate")
        results = iter(score_maps(maps, examples, self.decode))
        held_out, learned, known = (
            list(itertools.islice(results, len(part)))
            for part in (self.validation, self.handful, self.old)
        )
        row = {
            "step": self.step,
            "loss": round(loss, 5),
            "mean_ap": round(mean_ap(held_out), 5),
            "ap": by_modality(held_out, self.validation),
            "train_mean_ap": round(mean_ap(learned), 5),
            "train_ap": by_modality(learned, self.handful)["all"][0],
            "old_mean_ap": round(mean_ap(known), 5) if known else None,
        }
        self.best.offer(candidate, row)
        self.rows.append(row)
        picture = self.preview.draw(maps[0], self.decode, self.step)
        self._write()
        values = {**row, "picture": str(picture)}
        yield Progress(self.step, self.config.steps, kind="epoch", values=values)

    def _refuse_spoiled_weights(self) -> None:
        """Refuse weights that the last step has spoiled: no checkpoint may hold them."""
        for weights in (weights_of(self.model), self.average):
            if not all(np.isfinite(each).all() for each in weights.values()):
                raise BadInput(
                    f"The weights are not finite after step {self.step}: training stopped and "
                    "the best weights so far are kept; train again with a smaller learning rate."
                )

    def finish(self) -> Iterator[Progress]:
        """Tune the thresholds for the best weights."""
        examples = [*self.validation, *self.old]
        maps = []
        for each in self._maps(self.best.weights, examples):
            maps.append(each)
            yield Progress(self.step, self.config.steps, "Tuning thresholds", "tune")
        decode = self.decode
        if self.best.may_tune(self.given_decode is not None):
            tuned = tune_thresholds(maps, examples, decode)
            for best, _ in tuned:
                decode = best
                yield Progress(self.step, self.config.steps, "Tuning thresholds", "tune")
        maps = maps[: len(self.validation)]
        results = score_maps(maps, self.validation, decode)
        scores = {
            "validation_mean_ap": round(mean_ap(results), 5),
            "validation_ap_50_70_90": by_modality(results, self.validation),
            "best_step": self.best.step,
        }
        trained = Trained(self.best.weights, decode, scores, self.step)
        yield Progress(self.step, self.config.steps, kind="trained", values={"trained": trained})

    def _maps(self, weights: Arrays, examples: Sequence[Example]) -> Iterator[np.ndarray]:
        """Run other weights on some images, and put the own ones back."""
        own = weights_of(self.model)
        set_weights(self.model, weights)
        try:
            for each in examples:
                yield predict_example(self.model, each)
        finally:
            set_weights(self.model, own)

    def _write(self) -> None:
        state = {**self.best.state(), "rows": self.rows}
        weights = {"average": self.average, "best": self.best.weights}
        write_state(self.folder, self.step, self.model, self.config, state, weights)
        table = map(table_row, self.rows)
        write_curves(self.folder, COLUMNS, table, self.step, scalars(self.rows[-1]))

    def _resume(self) -> None:
        found = restore_state(self.folder, self.model, self.config)
        if found is not None:
            self.step, state, weights = found
            self.average, self.rows = weights["average"], state["rows"]
            self.best.restore(weights["best"], state)


def _compiled(config: TrainConfig, start: Mapping[str, np.ndarray] | None) -> keras.Model:
    model = build_network(config.network)
    if start is not None:
        set_weights(model, {**weights_of(model), **start})
        if config.freeze_norm:
            freeze_norm(model, start.keys())
    if config.freeze_encoder:
        freeze_encoder(model)
    optimizer = keras.optimizers.AdamW(
        _schedule(config), weight_decay=config.weight_decay, global_clipnorm=5.0
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss=MapsLoss(config.border_weight), jit_compile=False)
    return model


def _schedule(config: TrainConfig) -> keras.optimizers.schedules.LearningRateSchedule:
    """Linear warm-up, then a cosine to zero at the last step (Loshchilov & Hutter 2017)."""
    warmup = min(config.warmup_steps, config.steps // 2)
    return keras.optimizers.schedules.CosineDecay(
        config.learning_rate / max(warmup, 1),
        max(config.steps - warmup, 1),
        warmup_target=config.learning_rate,
        warmup_steps=warmup,
    )
