"""What the open docks share: dataset, sample, model, thresholds and maps.

No Qt in here. The signals are emitted in the thread of the caller, so methods that change
the session are called in the thread of the window. What blocks (`read`, and all of
`sample_files` and `sample_saving`) changes nothing of it, and runs in a worker.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from psygnal import Signal

from napari_nucleiseg import sample_files, sample_saving
from napari_nucleiseg.config import DecodeConfig, PredictConfig
from napari_nucleiseg.dataset import Dataset
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.kept_maps import KeptMaps
from napari_nucleiseg.lock import DatasetLock
from napari_nucleiseg.models import Model, find_model
from napari_nucleiseg.numbering import count_nuclei
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.sample_files import OpenDataset, Opened
from napari_nucleiseg.sample_saving import Work
from napari_nucleiseg.state import SampleState, Status

if TYPE_CHECKING:
    from napari_nucleiseg.predictor import Predictor

_UNREAD = SampleState()
_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


def session_for(viewer: Any) -> Session:
    """Give the session of a viewer; one is made on the first call.

    Parameters
    ----------
    viewer : napari.Viewer
        Itself, or the proxy that napari hands to plugins.
    """
    return _sessions.setdefault(getattr(viewer, "__wrapped__", viewer), Session())


class Session:
    """State that docks share, and signals that tell of its changes.

    Attributes
    ----------
    dataset : Dataset, or None
    sample : Sample, or None
        The one that is shown, or is being read to be shown.
    order : tuple of str
        Ids in the order of the list that is shown: what `next_sample` follows.
    model : Model, or None
    decode : DecodeConfig
        Thresholds; those tuned for the model until somebody changes them.
    predict_config : PredictConfig
    read_only : str
        Why the dataset is not written to, in one sentence; "" if it is.
    correction_folder : Path, or None
        Where corrections are written instead of into the dataset.
    states : dict of str to SampleState
        By sample id, as far as they have been read.
    counts : dict of str to int
        Nuclei by sample id, as far as they are known.
    pending : dict of str to Work
        Labels handed over for saving that are not on the disk yet, by sample id. They stay
        here when a save fails.
    left_unsaved : set of str
        Ids of samples with unsaved work that a crash left; not those shown since.
    """

    dataset_changed = Signal(object)
    """Dataset or None."""
    sample_changed = Signal(object)
    """Sample or None; also when the same one is to be shown again."""
    state_changed = Signal(str)
    """Id of a sample whose state, count or pending work changed."""
    states_read = Signal(object)
    """Ids (tuple of str) of a batch of samples that a worker has looked at on the disk."""
    model_changed = Signal(object)
    """Model or None."""
    decode_changed = Signal(object)
    """DecodeConfig."""
    predict_config_changed = Signal(object)
    """PredictConfig."""
    maps_changed = Signal(str)
    """Id of a sample whose maps arrived or were dropped."""
    read_only_changed = Signal(str)
    """`read_only` or `correction_folder` changed."""
    failed = Signal(str)
    """One sentence for the person."""

    def __init__(self) -> None:
        self.dataset: Dataset | None = None
        self.sample: Sample | None = None
        self.order: tuple[str, ...] = ()
        self.model: Model | None = None
        self.decode = DecodeConfig()
        self.predict_config = PredictConfig()
        self.read_only = ""
        self.correction_folder: Path | None = None
        self.states: dict[str, SampleState] = {}
        self.counts: dict[str, int] = {}
        self.pending: dict[str, Work] = {}
        self.left_unsaved: set[str] = set()
        self._shown: set[str] = set()
        self._samples: dict[str, Sample] = {}
        self._places: dict[str, int] = {}
        self._locks: list[DatasetLock] = []
        self._maps = KeptMaps()
        self._predictor: Predictor | None = None

    # --- the dataset

    def open_dataset(
        self, path: str | PathLike[str], extract_to: str | PathLike[str] | None = None
    ) -> None:
        """Open a dataset and make it the session's own. Blocks; see `use_dataset`."""
        self.use_dataset(sample_files.open_dataset(path, extract_to=extract_to))

    def use_dataset(self, opened: OpenDataset) -> None:
        """Take a dataset that a worker has opened; no sample of it is selected yet.

        Raises
        ------
        BadInput
            If there is unsaved work of the present one.
        """
        self._check_nothing_pending()
        self.close_dataset()
        self.dataset, self.read_only = opened.dataset, opened.read_only
        self._locks = [opened.lock] if opened.lock else []
        self._samples = {each.id: each for each in opened.dataset.samples}
        self._places = {sample_id: place for place, sample_id in enumerate(self._samples)}
        self.order = tuple(self._samples)
        self.dataset_changed.emit(self.dataset)
        self.read_only_changed.emit(self.read_only)

    def close_dataset(self) -> None:
        """Let go of the dataset and its lock; unsaved work that is still pending is kept."""
        for lock in self._locks:
            lock.release()
        self._locks = []
        if self.dataset is None:
            return
        self.select(None)
        self.dataset, self.read_only, self.correction_folder = None, "", None
        self.order, self._samples, self._places = (), {}, {}
        self.states.clear()
        self.counts.clear()
        self.left_unsaved.clear()
        self._shown.clear()
        self._maps.clear()
        self.dataset_changed.emit(None)
        self.read_only_changed.emit("")

    def _check_nothing_pending(self) -> None:
        if self.pending:
            raise BadInput(
                f"Corrections of {', '.join(sorted(self.pending))} are not saved yet: save them "
                "to another folder before you open another dataset."
            )

    @property
    def is_writable(self) -> bool:
        """Whether corrections can be saved, here or in another folder."""
        return self.correction_folder is not None or not self.read_only

    def use_correction_folder(self, folder: Path, lock: DatasetLock | None = None) -> None:
        """Write all further corrections to another folder, one folder a sample.

        Parameters
        ----------
        folder : Path
            It exists.
        lock : DatasetLock, optional
            The lock on it, taken by a worker; taken here by default.

        Raises
        ------
        BadInput
            If another program holds the folder, or it is read-only.
        """
        lock = lock or DatasetLock.acquire(folder)
        if self.correction_folder is not None:
            self._locks.pop().release()  # so that there is a way back to it
        self._locks.append(lock)
        self.correction_folder = Path(folder)
        self.read_only_changed.emit(self.read_only)

    # --- samples

    def __getitem__(self, sample_id: str) -> Sample:
        """Give the sample of an id; `KeyError` if there is none."""
        return self._samples[sample_id]

    def __contains__(self, sample_id: object) -> bool:
        """Whether the dataset has a sample of this id."""
        return sample_id in self._samples

    def select(self, sample_id: str | None) -> None:
        """Choose the sample to be shown; None for no sample.

        Raises
        ------
        KeyError
            If the dataset has no such sample.
        """
        self.sample = None if sample_id is None else self._samples[sample_id]
        self.sample_changed.emit(self.sample)

    def next_sample(self) -> None:
        """Select the next sample of `order`; at the end, nothing happens."""
        self._step(1)

    def previous_sample(self) -> None:
        """Select the previous sample of `order`; at its start, nothing happens."""
        self._step(-1)

    def _step(self, by: int) -> None:
        current = self.sample.id if self.sample else None
        found = neighbour(self.order, current, by, self._places)
        if found is not None:
            self.select(found)

    def folder_of(self, sample: Sample) -> Path:
        """Say where the corrections of a sample are written."""
        if self.correction_folder is None:
            return sample.folder
        return self.correction_folder / sample.id

    def placed(self, sample: Sample) -> Sample:
        """Give a sample whose folder is where its correction is. Looks at the disk; any thread."""
        return replace(sample, folder=sample_files.source_folder(sample, self.folder_of(sample)))

    def read(self, sample: Sample) -> Opened:
        """Read a sample from the disk. Blocks, changes nothing; any thread.

        Raises
        ------
        BadInput
            If its image or its labels cannot be read.
        """
        return sample_files.open_sample(sample, self.folder_of(sample), writable=self.is_writable)

    # --- states

    def note_states(self, states: Mapping[str, SampleState]) -> None:
        """Take states that a worker has read; those known already stay."""
        new = {key: state for key, state in states.items() if key not in self.states}
        self.states |= new
        self.states_read.emit(tuple(new))

    def note_state(
        self, sample_id: str, state: SampleState | None = None, count: int | None = None
    ) -> None:
        """Take the state, the number of nuclei, or both, of one sample."""
        if state is not None:
            self.states[sample_id] = state
        if count is not None:
            self.counts[sample_id] = count
        self.state_changed.emit(sample_id)

    def note_left_unsaved(self, ids: Collection[str]) -> None:
        """Take ids of samples with unsaved work; of one that is shown, it is restored already."""
        new = set(ids) - self._shown
        if new:
            self.left_unsaved |= new
            self.states_read.emit(tuple(sorted(new)))

    def note_shown(self, sample_id: str) -> None:
        """Take note that a sample is shown, with what a crash left of it."""
        self._shown.add(sample_id)
        if sample_id in self.left_unsaved:
            self.left_unsaved.remove(sample_id)
            self.state_changed.emit(sample_id)

    def note_pending(self, sample_id: str, work: Work | None) -> None:
        """Keep labels that are not on the disk yet; None once they are."""
        if work is not None:
            self.pending[sample_id] = work
        elif self.pending.pop(sample_id, None) is None:
            return
        self.state_changed.emit(sample_id)

    def state_of(self, sample: Sample) -> SampleState:
        """Give the state as far as it is known; `UNLABELLED` before it was read."""
        return self.states.get(sample.id, _UNREAD)

    def save(
        self,
        sample: Sample,
        labels: np.ndarray,
        touched: Collection[int] = (),
        status: Status = Status.CORRECTED,
    ) -> SampleState:
        """Save labels and take note. Blocks; for scripts and tests, docks use a worker.

        Raises
        ------
        SaveFailed
            If the disk does not take them.
        """
        model = self.state_of(sample).model
        work = Work(sample, self.folder_of(sample), labels, status, model, tuple(touched))
        state = sample_saving.save_work(work)
        self.note_state(sample.id, state, count_nuclei(labels))
        return state

    # --- model, thresholds, maps

    def set_model(self, model: Model | str | Path) -> None:
        """Choose a model, by its name or folder; the thresholds become those tuned for it.

        Maps of the earlier model are dropped.

        Raises
        ------
        BadInput
            If there is no such model.
        """
        self.model = model if isinstance(model, Model) else find_model(model)
        self._predictor = None
        dropped = self._maps.clear()
        self.model_changed.emit(self.model)
        self.set_decode(self.model.decode)
        for sample_id in dropped:
            self.maps_changed.emit(sample_id)

    def predictor(self) -> Predictor:
        """Give the predictor of the model; the same one until the model changes.

        Raises
        ------
        BadInput
            If no model is chosen.
        """
        if self.model is None:
            raise BadInput("No model is chosen: choose one in the list of models.")
        if self._predictor is None:
            # It imports ONNX Runtime, which no dock should wait for when it opens.
            from napari_nucleiseg.predictor import Predictor

            self._predictor = Predictor(self.model)
        return self._predictor

    def set_decode(self, decode: DecodeConfig) -> None:
        """Change the thresholds."""
        if decode != self.decode:
            self.decode = decode
            self.decode_changed.emit(decode)

    def set_predict_config(self, config: PredictConfig) -> None:
        """Change how images go through the network."""
        if config != self.predict_config:
            self.predict_config = config
            self.predict_config_changed.emit(config)

    def maps(self, sample_id: str) -> np.ndarray | None:
        """Give the kept maps of a sample, (H, W, 3) uint8."""
        return self._maps.get(sample_id)

    def keep_maps(self, sample_id: str, maps: np.ndarray) -> None:
        """Keep maps; others may be dropped for them (see `KeptMaps`)."""
        dropped = self._maps.keep(sample_id, maps)
        for each in (sample_id, *dropped):
            self.maps_changed.emit(each)


def neighbour(
    order: Sequence[str], current: str | None, by: int, places: Mapping[str, int]
) -> str | None:
    """Find the id before or after the current one in a list.

    Parameters
    ----------
    order : sequence of str
    current : str, or None
        Where it is not in the list (it was filtered out), its place in the dataset counts.
    by : {1, -1}
    places : mapping of str to int
        Place of each id in the dataset.

    Returns
    -------
    str, or None at the end of the list
    """
    if current is None:
        return order[0] if order else None
    if current in order:
        index = order.index(current) + by
        return order[index] if 0 <= index < len(order) else None
    beyond = [each for each in order if (places[each] - places[current]) * by > 0]
    return min(beyond, key=lambda each: abs(places[each] - places[current]), default=None)
