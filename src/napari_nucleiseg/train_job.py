"""Training as a job: from a dataset to a model folder.

Runs where Keras is: in the engine's child process or in the command line's own. Killed
at any moment, it goes on where it was when it is started again with the same request.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_nucleiseg.atomic import saving, write_bytes_atomically
from napari_nucleiseg.config import RecipeConfig, TrainConfig
from napari_nucleiseg.dataset import (
    Sample,
    read_dataset,
    read_labels,
    read_sample_image,
)
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.models import Model, find_model, read_weights, write_model
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.splits import (
    OLD,
    TRAIN,
    Split,
    judges,
    learned_before,
    notes,
    split_samples,
    with_truth,
)

if TYPE_CHECKING:
    from napari_nucleiseg.nn.augment import Example
    from napari_nucleiseg.nn.training import Trained

RUN, SPLIT, MODEL = "run.json", "split.json", "model"
STOPPED = "stopped"
"""Names an empty file in a run whose model was made before its time."""
IMAGENET = "imagenet"
"""To start from: an encoder that learned from ImageNet, and a decoder of random weights."""
_SHIPPED = "nuclei"
PACKAGES = ("keras", "tensorflow", "numpy", "onnx", "tf2onnx", "onnxruntime", "opencv-python")


@dataclass(frozen=True)
class TrainRequest:
    """What to train on, from what, and where to.

    Attributes
    ----------
    dataset : str
        Path of a dataset with masks.
    out : str
        Folder of the run: its config, split, curves, checkpoints, and ``model``.
    config : TrainConfig
    start : str
        Name or path of the model to start from; `IMAGENET` for such an encoder, empty for
        random weights.
    name : str
        Of the new model; the folder's name by default.
    table : str
        A csv file of samples; found beside the dataset when empty.
    only : tuple of str
        Ids to use; all annotated samples when empty. Those without a truth are left out.
    mix_old : bool
        Whether images that the start learned from, where they are in the dataset, are
        trained on too, so that it does not unlearn.
    finish_now : bool
        Do not train on: make a model of the best weights of a run that was stopped.
    """

    dataset: str
    out: str
    config: TrainConfig = field(default_factory=TrainConfig)
    start: str = ""
    name: str = ""
    table: str = ""
    only: tuple[str, ...] = ()
    mix_old: bool = True
    finish_now: bool = False


class Request(Protocol):
    """What all requests to train say."""

    @property
    def dataset(self) -> str:
        """Path of the dataset."""

    @property
    def out(self) -> str:
        """Folder of the run."""

    @property
    def config(self) -> TrainConfig | RecipeConfig:
        """How to train."""

    @property
    def start(self) -> str:
        """The model to start from."""

    @property
    def name(self) -> str:
        """Of the new model."""


def train(request: TrainRequest) -> Iterator[Progress]:
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
        If the dataset, the model to start from or the folder cannot be used, or the loss
        is not finite.
    """
    out = Path(request.out)
    start = _model_to_start_from(request)
    split = _split(request, start, out)
    write_json(out / RUN, describe_run(request, split))
    for note in notes(split):
        yield Progress(0, 0, note, "note")
    train_examples = yield from read_examples(split[TRAIN])
    validation = yield from read_examples(judges(split))
    old = yield from read_examples(split.get(OLD, ()))

    from napari_nucleiseg.nn.training import train_network

    weights, note = _weights(request, start)
    if note:
        yield Progress(0, 0, note, "note")
    for step in train_network(
        train_examples,
        validation,
        request.config,
        out,
        weights,
        old=old,
        decode=start.decode if start else None,
        finish_now=request.finish_now,
    ):
        if step.kind == "trained":
            yield Progress(step.done, step.total, "Exporting the network", "export")
            learned = [*train_examples, *old]
            model = write_trained(request, split, learned, step.values["trained"])
            scores = step.values["trained"].scores
            _mark_as_stopped(out, request.finish_now)
            values = {"model": str(model), "scores": scores}
            yield Progress(step.done, step.total, "Trained", "result", values)
        else:
            yield step


def _mark_as_stopped(out: Path, is_stopped: bool) -> None:
    """Tell a run that can be gone on with from one that has come to its end."""
    if is_stopped:
        (out / STOPPED).touch()
    else:
        (out / STOPPED).unlink(missing_ok=True)


def _model_to_start_from(request: TrainRequest) -> Model | None:
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
) -> tuple[dict[str, np.ndarray] | None, str]:
    """Read the weights to start from, of the encoder alone for ImageNet; and say whose."""
    if start is not None:
        return read_weights(start), ""
    if request.start != IMAGENET:
        return None, ""
    from napari_nucleiseg.nn.classic import encoder_weights, imagenet_encoder

    if request.config.network == "unet":
        raise BadInput("The plain unet has no encoder: start it from nothing, or from a unet.")
    found = imagenet_encoder()
    if found is not None:
        return found, "The encoder has learned from ImageNet."
    shipped = find_model(_SHIPPED)
    return encoder_weights(read_weights(shipped)), (
        f"ImageNet's weights could not be downloaded: the encoder is that of {shipped.name}."
    )


def _split(request: TrainRequest, start: Model | None, out: Path) -> Split:
    """Split by field, or as the run that is gone on with was split."""
    dataset = read_dataset(request.dataset, table=request.table or None)
    if (out / SPLIT).exists():
        return read_split(dataset.samples, out / SPLIT)
    wanted = set(request.only)
    samples = with_truth(each for each in dataset.samples if not wanted or each.id in wanted)
    old = learned_before(start, dataset.root, dataset.samples) if request.mix_old else []
    split = split_samples(samples, old, request.config)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / SPLIT, {name: [each.id for each in part] for name, part in split.items()})
    return split


def read_split(samples: Sequence[Sample], path: Path) -> dict[str, tuple[Sample, ...]]:
    """Read how a run that was begun before had split its samples."""
    by_id = {each.id: each for each in samples}
    before = json.loads(path.read_text(encoding="utf-8"))
    missing = [each for ids in before.values() for each in ids if each not in by_id]
    if missing:
        raise BadInput(
            f"{path} names {missing[0]}, which is not in the dataset; open the dataset that "
            "the run was begun with, or train into another folder."
        )
    return {name: tuple(by_id[each] for each in ids) for name, ids in before.items()}


def read_examples(samples: Sequence[Sample]) -> Generator[Progress, None, list[Example]]:
    """Read annotated samples; returns a list of Example, without the unusable ones."""
    from napari_nucleiseg.nn.augment import example

    examples: list[Example] = []
    for done, sample in enumerate(samples, start=1):
        try:
            image = read_sample_image(sample)
            labels = read_labels(sample, image.shape[:2])
        except BadInput as error:
            values = {"id": sample.id, "error": str(error)}
            yield Progress(done, len(samples), str(error), "problem", values)
            continue
        if labels is not None:
            examples.append(example(sample.id, image, labels, sample.modality))
        yield Progress(done, len(samples), "Reading images", "read")
    return examples


def write_trained(
    request: Request,
    split: dict[str, tuple[Sample, ...]],
    examples: Sequence[Example],
    trained: Trained,
) -> Path:
    """Write the model folder of a run, with its ONNX graph."""
    from napari_nucleiseg.nn.export import network_to_onnx
    from napari_nucleiseg.nn.networks import build_network
    from napari_nucleiseg.nn.weights import set_weights

    network = build_network(request.config.network)
    set_weights(network, trained.weights)
    graph = network_to_onnx(network)
    folder = Path(request.out) / MODEL
    with saving(folder):
        write_model(
            folder,
            network=request.config.network,
            weights=trained.weights,
            graph=graph,
            decode=trained.decode,
            diameter=float(np.median([each.diameter for each in examples])),
            name=request.name or Path(request.out).name,
            training={**describe_run(request, split), "steps": trained.steps},
            scores=trained.scores,
            versions=_versions(),
        )
    return folder


def describe_run(request: Request, split: dict[str, tuple[Sample, ...]]) -> dict[str, Any]:
    """Describe a run for the record, without paths of this machine."""
    return {
        "dataset": Path(request.dataset).name,
        "start": Path(request.start).name,
        "config": dataclasses.asdict(request.config),
        "split": {name: [each.id for each in part] for name, part in split.items()},
        "data_sha256": _hash_of(split),
        "versions": _versions(),
    }


def _hash_of(split: dict[str, tuple[Sample, ...]]) -> str:
    """Hash the names and sizes of the files that were learned from."""
    digest = hashlib.sha256()
    for name in sorted(split):
        for each in split[name]:
            sizes = [path.stat().st_size for path in (each.image_path, *sorted(each.mask_paths))]
            digest.update(json.dumps([name, each.id, sizes]).encode())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("napari-nucleiseg", *PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_bytes_atomically(path, json.dumps(content, indent=1).encode())
