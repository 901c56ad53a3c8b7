"""The jobs that the engine's child runs: what is not listed here cannot be asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.training_packages import missing_packages


def prepare(request: Mapping[str, Any]) -> Iterator[Progress]:
    """Import TensorFlow before anybody waits for it.

    Yields
    ------
    Progress
        The last one is of kind "device" with "name" and "reason".
    """
    yield Progress(0, 1, "Starting TensorFlow")
    name, reason = _device()
    yield Progress(1, 1, kind="device", values={"name": name, "reason": reason})


def _device() -> tuple[str, str]:
    missing = missing_packages()
    if missing:
        return "—", f"Training is not possible: {' and '.join(missing)} cannot be found."
    import napari_nucleiseg.nn.training  # noqa: F401
    from napari_nucleiseg.nn.device import describe_training_device

    return describe_training_device()


def train(request: Mapping[str, Any]) -> Iterator[Progress]:
    """Train as `train_job.train` does.

    Parameters
    ----------
    request : mapping
        The fields of `TrainRequest`; "config" is a mapping, "only" a list.

    Raises
    ------
    BadInput
        If the request has other fields or values than those.
    """
    from napari_nucleiseg import train_job

    fields = dict(request)
    try:
        fields["config"] = TrainConfig(**fields.get("config", {}))
        fields["only"] = tuple(fields.get("only", ()))
        wanted = train_job.TrainRequest(**fields)
    except (TypeError, ValueError) as error:
        raise BadInput(f"The request to train cannot be used: {error}") from error
    yield from train_job.train(wanted)


JOBS: dict[str, Callable[[Mapping[str, Any]], Iterator[Progress]]] = {
    "prepare": prepare,
    "train": train,
}
