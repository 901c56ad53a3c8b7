"""The saves that `kill_saves` interrupts, and how it tells that nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nucleiseg.label_files import labels_sha256, read_label_tif
from napari_nucleiseg.mask_files import MASKS, ORIGINAL_MASKS, read_masks
from napari_nucleiseg.mask_png import encode_masks
from napari_nucleiseg.state import LABELS, SampleState, Status, read_state
from napari_nucleiseg.storage import repair, save_labels


def labels_of(version: int) -> np.ndarray:
    """Draw (48, 64) int32 labels; each version moves, adds or drops some nuclei."""
    labels = np.zeros((48, 64), np.int32)
    for number in range(1, 5):
        if number != 1 + version % 4:
            top, left = 9 * number, (5 * number + version * (number % 3)) % 50
            labels[top : top + 5, left : left + 6] = number
    labels[0, 0] = 100 + version
    return labels


def state_of(version: int) -> SampleState:
    """Return a state that tells the version it belongs to."""
    return SampleState(Status.CORRECTED, f"model {version}", touched=(100 + version,))


def version_of(labels: np.ndarray) -> int:
    """Tell which version labels are, and that they are it in every pixel."""
    version = int(labels[0, 0]) - 100
    expect(np.array_equal(labels, labels_of(version)), "the labels are of no version")
    return version


def expect(true: bool, otherwise: str) -> None:
    """Stop at a loss."""
    if not true:
        raise AssertionError(otherwise)


# --- what is saved


@dataclass(frozen=True)
class Case:
    """A sample before a save, and the save.

    Attributes
    ----------
    name : str
    came : dict
        The masks that the sample came with; empty if it came without.
    saved : int
        How many saves went before.
    masks : bool
        Whether masks are derived.
    """

    name: str
    came: dict[str, bytes]
    saved: int
    masks: bool = True

    def prepare(self, folder: Path) -> None:
        """Make the sample as it was before the save."""
        if self.came:
            (folder / MASKS).mkdir(parents=True)
            for name, data in self.came.items():
                (folder / MASKS / name).write_bytes(data)
        for version in range(1, self.saved + 1):
            save_labels(folder, labels_of(version), state_of(version), masks=self.masks)

    def save(self, folder: Path) -> None:
        """Save the next version."""
        version = self.saved + 1
        save_labels(folder, labels_of(version), state_of(version), masks=self.masks)


def cases() -> list[Case]:
    """List the samples whose save is interrupted."""
    came = {f"{name:x}.png": data for name, data in enumerate(encode_masks(labels_of(0)).values())}
    return [
        Case("first save over masks that came", came, 0),
        Case("second save over masks that came", came, 1),
        Case("third save over masks that came", came, 2),
        Case("first save without masks", {}, 0),
        Case("second save without masks", {}, 1),
        Case("second save in a layout without masks", {}, 1, masks=False),
    ]


def check(folder: Path, case: Case, *, done: bool) -> None:
    """Check a sample after a kill, as `kill_saves` tells."""
    version = saved_version(folder)
    expect(version in {case.saved, case.saved + 1}, f"version {version} is left")
    expect(not done or version == case.saved + 1, "an acknowledged save is lost")
    repair(folder)
    check_repaired(folder, case, version)
    expect(not repair(folder), "a second repair finds more to do")
    if version == case.saved + 1 and case.saved:
        backup = version_of(read_label_tif(folder / "labels.bak.tif"))
        expect(backup == case.saved, f"the backup is version {backup}")
    following = Case(case.name, case.came, case.saved + 1, case.masks)
    following.save(folder)
    check_repaired(folder, case, case.saved + 2)


def saved_version(folder: Path) -> int:
    """Tell which version is saved; 0 if none."""
    path = folder / LABELS
    return version_of(read_label_tif(path)) if path.exists() else 0


def check_repaired(folder: Path, case: Case, version: int) -> None:
    """Check that all files of a sample belong to one version, and that there are no others."""
    expect(saved_version(folder) == version, "the labels changed")
    masks, original = read_masks(folder / MASKS), read_masks(folder / ORIGINAL_MASKS)
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    known = {LABELS, "labels.bak.tif", "nucleiseg.json", MASKS, ORIGINAL_MASKS, "recovery.tif"}
    expect(names <= known, f"left over: {sorted(names - known)}")
    if version == 0:
        expect((masks or {}) == case.came and original is None, "the masks that came changed")
        return
    expect((original or {}) == case.came, "the masks that came are lost")
    expect(not case.masks or masks == encode_masks(labels_of(version)), "the masks disagree")
    state = read_state(folder)
    expect(state.labels_sha256 == labels_sha256(labels_of(version)), "the status disagrees")
    expect(state.touched == (100 + version,), "the touched nuclei are of another version")
