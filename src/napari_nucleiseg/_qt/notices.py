"""What the Dataset dock has to say: the gravest thing first."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_nucleiseg._qt.banner import Banner, Notice
from napari_nucleiseg._qt.closing import rescue_folder
from napari_nucleiseg._qt.listening import listen
from napari_nucleiseg._qt.memory import forget_correction_folder
from napari_nucleiseg.bring_back import bring_back
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.state import LABELS

if TYPE_CHECKING:
    from napari_nucleiseg._qt.layers import SampleLayers
    from napari_nucleiseg._qt.opening import Opening
    from napari_nucleiseg.dataset import Dataset

_NAMED = 3  # of several images in a message


def _bring_back(_: Path, dataset: Dataset, folder: Path, left: list[str]) -> None:
    try:
        left += bring_back(dataset.root, dataset.samples, folder)
    except BadInput as error:
        left.append(str(error))
    if not left:
        forget_correction_folder(dataset.root)


class Notices(QObject):
    """Chooses the notice that a banner shows."""

    def __init__(
        self, layers: SampleLayers, opening: Opening, banner: Banner, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._layers, self._opening, self._banner = layers, opening, banner
        self._session = layers.session
        self._failure = ""
        self._is_recovery_seen = self._is_unsaved_seen = False
        self._left: list[str] = []
        self._left_of = Path()
        listen(
            self,
            (self._session.dataset_changed, self._on_dataset_changed),
            (self._session.states_read, self.update),
            (self._session.read_only_changed, self.update),
            (layers.saving.changed, self.update),
            (layers.labels_layer_changed, self._on_labels_layer_changed),
            (self._session.failed, self._on_failed),
        )
        self.update()

    def _on_labels_layer_changed(self, layer: object) -> None:
        self._is_recovery_seen = False
        if layer is not None:
            self._failure = ""
        self.update()

    def _on_dataset_changed(self, _: object) -> None:
        self._is_unsaved_seen = False
        self.update()

    def _on_failed(self, reason: str) -> None:
        self._failure = reason
        self.update()

    def update(self) -> None:
        """Show what is to be said now."""
        self._banner.show_notice(self.choose())

    def choose(self) -> Notice | None:
        """Find the gravest of what there is to say."""
        return (
            self._unsaved()
            or self._failed()
            or self._left_behind()
            or self._recovered()
            or self._found_unsaved()
            or self._read_only()
            or self._elsewhere()
            or self._problems()
        )

    def _unsaved(self) -> Notice | None:
        failures = self._layers.saving.failures
        if not failures:
            return None
        sample_id, reason = next(iter(failures.items()))
        more = f" And {len(failures) - 1} more." if failures.keys() - {sample_id} else ""
        retry = () if self._session.read_only else (("Try again", self._layers.saving.save),)
        text = f"{sample_id} is not saved. {reason}{more}"
        return Notice(text, True, (("Save elsewhere…", self.choose_folder), *retry))

    def _failed(self) -> Notice | None:
        if not self._failure:
            return None
        return Notice(self._failure, True, (("Dismiss", self._dismiss_failure),))

    def _dismiss_failure(self) -> None:
        self._failure = ""
        self.update()

    def _recovered(self) -> Notice | None:
        opened = self._layers.draft.opened
        if opened is None or opened.recovery is None or self._is_recovery_seen:
            return None
        when = opened.recovery.written_at.replace("T", " ")[:16]
        text = f"Unsaved strokes of {when} UTC were found and restored; they are not saved yet."
        actions = (("Save them", self._keep_recovery), ("Drop them", self._drop_recovery))
        return Notice(text, False, actions)

    def _keep_recovery(self) -> None:
        self._layers.saving.save()
        self._is_recovery_seen = True
        self.update()

    def _drop_recovery(self) -> None:
        self._layers.saving.drop_recovery()
        self._is_recovery_seen = True
        self.update()

    def _found_unsaved(self) -> Notice | None:
        names = [each for each in self._session.order if each in self._session.left_unsaved]
        if not names or self._is_unsaved_seen:
            return None
        count = f"{len(names)} images" if names[1:] else "1 image"
        more = f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
        text = f"Unsaved work was found for {count}: {', '.join(names[:_NAMED])}{more}."
        go = partial(self._session.select, names[0])
        return Notice(text, False, (("Show it", go), ("Not now", self._dismiss_unsaved)))

    def _dismiss_unsaved(self) -> None:
        self._is_unsaved_seen = True
        self.update()

    def _read_only(self) -> Notice | None:
        if not self._session.read_only or self._session.correction_folder is not None:
            return None
        text = f"Read-only. {self._session.read_only}"
        again = ("Try again", self.open_again)
        if self._opening.folder_away is not None:
            return Notice(text, False, (("Go on without them", self.forget_folder), again))
        return Notice(text, False, (("Save elsewhere…", self.choose_folder), again))

    def forget_folder(self) -> None:
        """Let corrections go where the images are, and open these again."""
        if self._session.dataset is not None:
            forget_correction_folder(self._session.dataset.root)
            self.open_again()

    def open_again(self) -> None:
        """Open the dataset once more: it may not be locked or read-only any longer."""
        if self._session.dataset is not None:
            self._opening.open(self._session.dataset.path)

    def _elsewhere(self) -> Notice | None:
        folder = self._session.correction_folder
        if folder is None:
            return None
        # Where the dataset itself can be written to by now, there is a way back.
        actions = () if self._session.read_only else (("Bring them back", self.bring_back),)
        return Notice(f"Corrections are written to {folder}.", False, actions)

    def bring_back(self) -> None:
        """Copy the corrections from the other folder to the images, and open these again."""
        dataset, folder = self._session.dataset, self._session.correction_folder
        if dataset is not None and folder is not None:
            self._left, self._left_of = [], dataset.root
            make = partial(_bring_back, dataset=dataset, folder=folder, left=self._left)
            self._opening.open(dataset.path, make=make)

    def _left_behind(self) -> Notice | None:
        dataset = self._session.dataset
        if not self._left or dataset is None or dataset.root != self._left_of:
            return None
        more = f" And {len(self._left) - 1} more." if self._left[1:] else ""
        text = f"Not all corrections came back. {self._left[0]}{more}"
        return Notice(text, True, (("Dismiss", self._dismiss_left),))

    def _dismiss_left(self) -> None:
        self._left = []
        self.update()

    def _problems(self) -> Notice | None:
        dataset = self._session.dataset
        if dataset is None or not dataset.problems:
            return None
        more = f" And {len(dataset.problems) - 1} more." if dataset.problems[1:] else ""
        return Notice(f"{dataset.problems[0]}{more}")

    def choose_folder(self) -> None:
        """Ask for another folder for corrections, and save there."""
        dataset = self._session.dataset
        if dataset is None:
            return
        proposed = rescue_folder(dataset.root)
        try:
            proposed.mkdir(parents=True, exist_ok=True)
            start = proposed
        except OSError:  # that disk may be the one that is full
            start = Path.home()
        chosen = QFileDialog.getExistingDirectory(
            self._banner, "Folder for corrections", str(start)
        )
        if chosen:
            # In a folder of its own: another dataset may use the same names.
            folder = Path(chosen)
            if folder.name != proposed.name:
                folder /= proposed.name
            self._write_to(folder)

    def _write_to(self, folder: Path) -> None:
        if folder == self._session.correction_folder:
            self._layers.saving.save()
            return
        # What was corrected there earlier is to be seen before anything is drawn over it.
        is_filled = any(folder.glob(f"*/{LABELS}"))

        def on_used() -> None:
            self._opening.remember_corrections(folder)
            if is_filled:
                self.open_again()

        self._layers.saving.save_to(folder, on_used)
