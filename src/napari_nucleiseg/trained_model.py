"""What a run leaves behind: a model, which tells all that it has learned from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucleiseg.atomic import saving
from napari_nucleiseg.learned import dataset_of, learned_by
from napari_nucleiseg.models import Model, write_model
from napari_nucleiseg.run_description import describe, package_versions, sizes_of
from napari_nucleiseg.run_folder import MODEL
from napari_nucleiseg.run_request import Request
from napari_nucleiseg.splits import Split

if TYPE_CHECKING:
    from napari_nucleiseg.nn.training import Trained


def write_trained(
    request: Request,
    split: Split,
    trained: Trained,
    diameter: float,
    source: Model | None,
) -> Path:
    """Write the model folder of a run, with its ONNX graph.

    Parameters
    ----------
    request : Request
    split : dict of str to tuple of Sample
    trained : Trained
    diameter : float
        Of the nuclei that were learned from, see `examples.typical_diameter` [px].
    source : Model, or None
        Whose weights it started from, all or the encoder's: what that one knows, it knows.

    Returns
    -------
    Path
        The folder.
    """
    from napari_nucleiseg.nn.export import weights_to_onnx

    graph = weights_to_onnx(request.config.network, trained.weights)
    folder = Path(request.out) / MODEL
    with saving(folder):
        write_model(
            folder,
            network=request.config.network,
            weights=trained.weights,
            graph=graph,
            decode=trained.decode,
            diameter=diameter,
            name=request.model_name,
            training={
                **describe(request, split),
                "learned": _learned(request, split, source),
                "steps": trained.steps,
            },
            scores=trained.scores,
            versions=package_versions(),
        )
    return folder


def _learned(request: Request, split: Split, source: Model | None) -> dict[str, int | None]:
    """List all that the model knows, from its own training and from those before it."""
    is_same = dataset_of(source) == Path(request.dataset).name
    before = {
        name: size for name, size in learned_by(source).items() if is_same or size is not None
    }
    return {**before, **sizes_of(split)}
