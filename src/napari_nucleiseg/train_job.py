"""Training as a job: from a dataset to a model folder.

Runs where Keras is: in the engine's child process or in the command line's own. Killed
at any moment, it goes on where it was when it is started again with the same request.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.encoders import find_encoder
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.examples import note_empty_of, read_examples, typical_diameter
from napari_nucleiseg.learned import held_out_by, known_to
from napari_nucleiseg.models import Model, find_model, read_weights
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.run_checks import note_finished, writing_alone
from napari_nucleiseg.run_folder import DECIDED, STOPPED
from napari_nucleiseg.run_record import keep_record, note_newcomers
from napari_nucleiseg.run_request import Request
from napari_nucleiseg.splits import (
    OLD,
    TRAIN,
    Split,
    judges,
    notes,
    split_samples,
    with_truth,
)
from napari_nucleiseg.trained_model import write_trained
from napari_nucleiseg.training_packages import require_packages

IMAGENET = "imagenet"
"""To start from: an encoder that learned from ImageNet, and a decoder of random weights."""


@dataclass(frozen=True)
class TrainRequest(Request):
    """What to train on, from what, and where to; see `Request`.

    Attributes
    ----------
    start : str
        As there, or `IMAGENET` for such an encoder; random weights when empty.
    only : tuple of str
        Ids to use; all annotated samples when empty. Those without a truth are left out.
    mix_old : bool
        Whether images that the start learned from, where they are in the dataset, are
        trained on too, so that it does not unlearn.
    finish_now : bool
        Do not train on: make a model of the best weights of a run that was stopped.
    """

    config: TrainConfig = field(default_factory=TrainConfig)
    only: tuple[str, ...] = ()
    mix_old: bool = True
    finish_now: bool = False


def train(request: TrainRequest) -> Generator[Progress]:
    """Train a network on the annotated samples of a dataset.

    Test samples, and those of their fields, are never trained or validated on.

    Parameters
    ----------
    request : TrainRequest

    Yields
    ------
    Progress
        Kinds "note", "read", "problem" and "result" with "model", the model's folder, and
        "scores"; between them those of `train_network`.

    Raises
    ------
    BadInput
        If the dataset, the model to start from or the folder cannot be used, another
        training writes to the folder, or the loss is not finite.
    """
    require_packages()
    with writing_alone(Path(request.out)):
        yield from _train(request)


def _train(request: TrainRequest) -> Generator[Progress]:
    start = _model_to_start_from(request)
    finished = note_finished(Path(request.out))
    split, newcomers = _split(request, start)
    for note in filter(None, (finished, newcomers, *notes(split))):
        yield Progress(0, 0, note, "note")
    train_examples = yield from read_examples(split[TRAIN])
    validation = yield from read_examples(judges(split))
    old = yield from read_examples(split.get(OLD, ()))
    empty = note_empty_of(train_examples, validation, old)

    from napari_nucleiseg.nn.training import train_network

    weights, source, note = _weights(request, start)
    for each in filter(None, (empty, note)):
        yield Progress(0, 0, each, "note")
    for step in train_network(
        train_examples,
        validation,
        request.config,
        Path(request.out),
        weights,
        old=old,
        decode=start.decode if start else None,
        finish_now=request.finish_now,
    ):
        if step.kind == "trained":
            yield Progress(step.done, step.total, "Exporting the network", "export")
            trained = step.values["trained"]
            learned = [each for each in (*train_examples, *old) if each.labels.any()]
            diameter = typical_diameter(each.diameter for each in learned)
            model = write_trained(request, split, trained, diameter, source)
            _mark_as_new(Path(request.out), is_stopped=request.finish_now)
            values = {"model": str(model), "scores": trained.scores}
            yield Progress(step.done, step.total, "Trained", "result", values)
        else:
            yield step


def _mark_as_new(out: Path, *, is_stopped: bool) -> None:
    """Note whether the run was stopped early; nobody has decided on its new model yet."""
    (out / DECIDED).unlink(missing_ok=True)
    if is_stopped:
        (out / STOPPED).touch()
    else:
        (out / STOPPED).unlink(missing_ok=True)


def _model_to_start_from(request: TrainRequest) -> Model | None:
    if request.config.freeze_encoder and not request.start:
        raise BadInput(
            "The encoder cannot stay as it is, for its weights are random; start from a model or "
            "from imagenet, or train all layers."
        )
    if request.config.share_of_new < 1 and request.start in ("", IMAGENET):
        raise BadInput(
            "There is no model whose weights could be averaged with the trained ones; start from "
            "a model, or leave share of new at 1."
        )
    if request.start in ("", IMAGENET):
        return None
    model = find_model(request.start)
    if model.network != request.config.network:
        raise BadInput(
            f"The model {model.name} is a {model.network} and cannot start the training of a "
            f"{request.config.network}; choose the network {model.network}."
        )
    return model


def _weights(
    request: TrainRequest, start: Model | None
) -> tuple[dict[str, np.ndarray] | None, Model | None, str]:
    """Read the weights to start from, and give their model and a note on them."""
    if start is not None:
        return read_weights(start), start, ""
    if request.start != IMAGENET:
        return None, None, ""
    if request.config.network == "unet":
        raise BadInput("The plain unet has no encoder: start it from nothing, or from a unet.")
    weights, source, note = find_encoder()
    return weights, source, f"Encoder: {note}."


def _split(request: TrainRequest, start: Model | None) -> tuple[Split, str]:
    """Split the samples, and say which came after the run was begun."""
    dataset = read_dataset(request.dataset, table=request.table or None)
    wanted = set(request.only)
    samples = with_truth(each for each in dataset.samples if not wanted or each.id in wanted)

    def split_now() -> Split:
        old = known_to(start, dataset.root.name, dataset.samples)
        tests = [each for each in dataset.samples if each.split == "test"]
        return split_samples(
            samples,
            old,
            request.config,
            tests=tests,
            mix_old=request.mix_old,
            held_before=held_out_by(start) if old else frozenset(),
        )

    split = keep_record(request, dataset.samples, split_now)
    return split, note_newcomers(Path(request.out), samples, split)
