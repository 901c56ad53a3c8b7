"""What is segmented: the image of a sample, or a plane of any Image layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_nucleiseg.dataset import read_sample_image
from napari_nucleiseg.sample import Sample

if TYPE_CHECKING:
    from napari_nucleiseg._qt.image_plane import ImagePlane
    from napari_nucleiseg._qt.layers import SampleLayers
    from napari_nucleiseg._qt.plane_results import PlaneResults
    from napari_nucleiseg.session import Session


class Subject(Protocol):
    """One image to be segmented, chosen when a button was pressed.

    Attributes
    ----------
    name : str
        For the person.
    """

    @property
    def name(self) -> str: ...

    def read(self) -> np.ndarray:
        """Read the image; blocks, in a worker."""
        ...

    def maps(self) -> np.ndarray | None:
        """Give its kept maps."""
        ...

    def keep(self, maps: np.ndarray) -> None:
        """Keep its maps."""
        ...

    def show(self, labels: np.ndarray) -> str:
        """Show labels (H, W) int32 that a model made; say where they went, if not here."""
        ...


@dataclass(frozen=True)
class SampleSubject:
    """A sample of the dataset.

    Attributes
    ----------
    sample : Sample
    session : Session
    layers : SampleLayers
    on_labels : callable
        Gets the sample, the labels (H, W) int32, and whether they were shown.
    """

    sample: Sample
    session: Session
    layers: SampleLayers
    on_labels: Callable[[Sample, np.ndarray, bool], None]

    @property
    def name(self) -> str:
        return self.sample.id

    def read(self) -> np.ndarray:
        return read_sample_image(self.sample)

    def maps(self) -> np.ndarray | None:
        return self.session.maps(self.sample.id)

    def keep(self, maps: np.ndarray) -> None:
        if self.sample.id in self.session and self.session[self.sample.id] is self.sample:
            self.session.keep_maps(self.sample.id, maps)

    def show(self, labels: np.ndarray) -> str:
        is_shown = (
            self.layers.sample is self.sample
            and self.layers.show_prediction(self.sample.id, labels)
        )  # fmt: skip
        self.on_labels(self.sample, labels, is_shown)
        if not is_shown:
            return "kept for when it is shown again"
        return "in a layer beside the labels, which stay" if self.layers.draft.is_protected else ""


@dataclass(frozen=True, eq=False)
class PlaneSubject:
    """A plane of an Image layer that belongs to no dataset."""

    plane: ImagePlane
    results: PlaneResults

    @property
    def name(self) -> str:
        return str(self.plane.layer.name)

    def read(self) -> np.ndarray:
        return self.plane.read()

    def maps(self) -> np.ndarray | None:
        return self.results.maps(self.plane)

    def keep(self, maps: np.ndarray) -> None:
        self.results.keep_maps(self.plane, maps)

    def show(self, labels: np.ndarray) -> str:
        self.results.show(self.plane, labels)
        return ""
