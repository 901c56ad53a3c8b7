"""Small pictures of samples, and their numbers of nuclei, made in a worker for what is seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QObject
from qtpy.QtGui import QImage

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg._qt.listening import listen
from napari_nucleiseg._qt.workers import JobHandle, run_job
from napari_nucleiseg.dataset import Dataset, read_sample_image
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.images import intensity_range, normalise
from napari_nucleiseg.listing import known_count
from napari_nucleiseg.numbering import count_nuclei
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.sample_files import read_current_labels
from napari_nucleiseg.session import Session

EDGE = 44
"""Width and height of a thumbnail [px]."""
_MOST = 2000


class Thumbnails(QObject):
    """Makes thumbnails of the samples that are asked for, and keeps the latest 2000.

    Attributes
    ----------
    images : dict of str to QImage
        By sample id.
    problems : dict of str to str
        Why there is none, by sample id.
    """

    made = Signal(str)

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self.images: OrderedDict[str, QImage] = OrderedDict()
        self.problems: dict[str, str] = {}
        self._job: JobHandle | None = None
        listen(self, (session.dataset_changed, self._on_dataset_changed))

    def _on_dataset_changed(self, dataset: Dataset | None) -> None:
        self._cancel()
        self.images.clear()
        self.problems.clear()

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def ask_for(self, samples: Sequence[Sample]) -> None:
        """Make the thumbnails of these samples, in this order, and of none asked for before."""
        self._cancel()
        missing = [
            (sample, self._session.folder_of(sample), known_count(self._session, sample) is None)
            for sample in samples
            if sample.id not in self.images and sample.id not in self.problems
        ]
        if missing:
            self._job = run_job(
                lambda: make_thumbnails(missing), on_progress=self._on_made, owner=self
            )

    def _on_made(self, step: Progress) -> None:
        sample_id = step.values["id"]
        if step.kind == "problem":
            self.problems[sample_id] = step.message
        else:
            self.images[sample_id] = step.values["image"]
        if len(self.images) > _MOST:
            self.images.popitem(last=False)
        count = step.values.get("count")
        if count is not None and sample_id not in self._session.counts:
            self._session.note_state(sample_id, count=count)
        self.made.emit(sample_id)


def make_thumbnails(samples: Sequence[tuple[Sample, Path, bool]]) -> Iterator[Progress]:
    """Read images and shrink them.

    Parameters
    ----------
    samples : sequence of (Sample, Path, bool)
        With the folder of its corrections, and whether its nuclei are to be counted.

    Yields
    ------
    Progress
        Kind "thumbnail" with "id", "image" (a square QImage) and "count" (int or None), or
        "problem" with "id".
    """
    for done, (sample, folder, count) in enumerate(samples, start=1):
        try:
            image = read_sample_image(sample)
            nuclei = _count(sample, folder, image) if count else None
        except BadInput as error:
            yield Progress(done, len(samples), str(error), "problem", {"id": sample.id})
            continue
        values = {"id": sample.id, "image": thumbnail(image), "count": nuclei}
        yield Progress(done, len(samples), "", "thumbnail", values)


def _count(sample: Sample, folder: Path, image: np.ndarray) -> int | None:
    labels = read_current_labels(sample, folder, (image.shape[0], image.shape[1]))
    return None if labels is None else count_nuclei(labels)


def thumbnail(image: np.ndarray) -> QImage:
    """Shrink the middle square of an image (H, W) or (H, W, 3)."""
    low, high = intensity_range(image)
    edge = min(image.shape[:2])
    top, left = (image.shape[0] - edge) // 2, (image.shape[1] - edge) // 2
    step = max(1, edge // (4 * EDGE))
    square = image[top : top + edge : step, left : left + edge : step]
    small = cv2.resize(normalise(square, low, high), (EDGE, EDGE), interpolation=cv2.INTER_AREA)
    pixels = np.ascontiguousarray(np.clip(small * 127.5 + 127.5, 0, 255).astype(np.uint8))
    # A copy, for QImage does not keep numpy's memory alive.
    return QImage(pixels.data, EDGE, EDGE, 3 * EDGE, QImage.Format.Format_RGB888).copy()
