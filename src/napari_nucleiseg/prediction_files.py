"""Files around a prediction: which images it takes, and where their labels go."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from napari_nucleiseg import __version__
from napari_nucleiseg.atomic import NameTooLong, write_bytes_atomically
from napari_nucleiseg.config import DecodeConfig, PredictConfig
from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.label_files import encode_labels, is_marked
from napari_nucleiseg.model_check import NETWORK
from napari_nucleiseg.models import Model
from napari_nucleiseg.prediction_notes import PredictionNote, encode_note, read_note
from napari_nucleiseg.progress import Progress, problem
from napari_nucleiseg.sample import Sample


@dataclass(frozen=True)
class Inputs:
    """What was found at the paths that a person named.

    Attributes
    ----------
    samples : tuple of Sample
        Their ids differ.
    problems : tuple of str
        One sentence for each thing that was passed over.
    """

    samples: tuple[Sample, ...]
    problems: tuple[str, ...]


def read_inputs(paths: Iterable[str | Path], extract_to: str | Path | None = None) -> Inputs:
    """Open folders, zip archives and single images together.

    Parameters
    ----------
    paths : iterable of path
        Each is opened as `read_dataset` does.
    extract_to : path, optional
        Where zip archives are extracted.

    Returns
    -------
    Inputs
        A path that cannot be opened is a problem; the others go on. An image that is named
        twice counts once.
    """
    samples: dict[str, Sample] = {}
    problems: list[str] = []
    for path in paths:
        try:
            dataset = read_dataset(path, extract_to=extract_to, needs_masks=False)
        except BadInput as error:
            problems.append(str(error))
            continue
        problems += dataset.problems
        for each in dataset.samples:
            if each.id in samples and _is_same(each, samples[each.id]):
                continue
            if is_marked(each.image_path):
                problems.append(
                    f"{each.image_path} is passed over: this program wrote it, as labels or as a "
                    "picture of them; name the folder of the images."
                )
            elif each.id in samples:
                problems.append(
                    f"{each.image_path} is passed over: {samples[each.id].image_path} has the "
                    "same name; predict it into another folder."
                )
            else:
                samples[each.id] = each
    return Inputs(tuple(samples.values()), tuple(problems))


def _is_same(one: Sample, other: Sample) -> bool:
    return os.path.realpath(one.image_path) == os.path.realpath(other.image_path)


def refuse_to_overwrite(samples: Iterable[Sample], out: Path, suffixes: Iterable[str]) -> None:
    """Refuse a folder where predictions would replace what is not a prediction.

    Parameters
    ----------
    samples : iterable of Sample
        What is about to be predicted.
    out : Path
    suffixes : iterable of str
        Of the files that each sample gets: ".tif", ".png".

    Raises
    ------
    BadInput
        If the folder is that of the images, where labels would be taken for images the next
        time; or if one of these files exists and no prediction has made it.
    """
    samples, suffixes = list(samples), list(suffixes)
    folders = {each.image_path.parent for each in samples}
    if os.path.realpath(out) in {os.path.realpath(each) for each in folders}:
        raise BadInput(
            f"{out} is the folder of the images, where labels would be taken for images the next "
            "time; name another folder."
        )
    there = [
        path
        for each in samples
        for path in (out / f"{each.id}{suffix}" for suffix in suffixes)
        if os.path.exists(path)  # pathlib raises where the folder may not be entered
    ]
    for path in there:
        if not is_marked(path):
            raise BadInput(
                f"{path} exists, and no prediction made it: nothing was written; name another "
                "folder."
            )


def note_of(model: Model, config: PredictConfig, decode: DecodeConfig) -> PredictionNote:
    """Note what decides the labels of any image: the model, the settings, this version.

    Parameters
    ----------
    model : Model
    config : PredictConfig
        All of it: where tiles are cut, outlines differ a little, too.
    decode : DecodeConfig

    Returns
    -------
    PredictionNote
        Without the hash of an image.
    """
    decisive = [
        __version__,
        model.info["files"][NETWORK],
        model.info["input"],
        model.diameter,
        asdict(model.decode),  # with these it is estimated whether an image is rescaled
        asdict(config),
        asdict(decode),
    ]
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode())
    return PredictionNote(model.name, settings=digest.hexdigest()[:16])


def is_predicted(sample: Sample, out: Path, made: PredictionNote) -> bool:
    """Whether a folder holds the labels that predicting a sample's very image would give.

    Parameters
    ----------
    sample : Sample
        Wherever its image lies now.
    out : Path
    made : PredictionNote
        What `note_of` says of the prediction to come.

    Raises
    ------
    BadInput
        If it holds those of another image of that name, or the image cannot be read.
    """
    note = read_note(_path_of(sample, out))
    # Most often there is none, and then no image needs to be hashed.
    if note is None or not os.path.isfile(sample.image_path):
        return False
    return note == _full_note(sample, out, made)


def _path_of(sample: Sample, out: Path) -> Path:
    return out / f"{sample.id}.tif"


def _full_note(sample: Sample, out: Path, made: PredictionNote) -> PredictionNote:
    """Add the hash of the image; `BadInput` where labels of another one would be replaced."""
    path, sha256 = _path_of(sample, out), _file_sha256(sample.image_path)
    note = read_note(path)
    if note is not None and note.image_sha256 not in ("", sha256):
        raise BadInput(
            f"{path} holds the labels of another image than {sample.image_path}: predict it into "
            "another folder, or remove that file."
        )
    return replace(made, image_sha256=sha256)


def _file_sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror}); check that you may read it."
        ) from error


def write_predictions(
    results: Iterable[Progress], samples: Sequence[Sample], out: Path, made: PredictionNote
) -> Iterator[Progress]:
    """Write the labels of each predicted sample as ``<id>.tif``.

    Parameters
    ----------
    results : iterable of Progress
        From `predict_samples`.
    samples : sequence of Sample
        Those that were predicted.
    out : Path
        Made if need be.
    made : PredictionNote
        From `note_of`; it is kept in each file, with the hash of the image.

    Yields
    ------
    Progress
        As they came; those of kind "sample" hold "id", "nuclei", "height" and "width" [px],
        "seconds" and "path" instead of the arrays.
        One whose name is too long for a file, or under whose name the labels of another
        image have come, is a "problem".

    Raises
    ------
    BadInput
        If the folder cannot be made or written to: every other sample would fail too.
    """
    _make_folder(out)
    for step in results:
        if step.kind != "sample":
            yield step
            continue
        labels, sample = step.values["labels"], samples[step.done - 1]
        path = _path_of(sample, out)
        try:
            # Asked once more, for another process may have come first.
            note = encode_note(_full_note(sample, out, made))
        except BadInput as error:
            yield problem(sample.id, str(error), step.done, step.total)
            continue
        try:
            write_bytes_atomically(path, encode_labels(labels, note))
        except NameTooLong as error:
            yield problem(sample.id, str(error), step.done, step.total)
            continue
        values = {
            "id": sample.id,
            "nuclei": int(labels.max(initial=0)),
            "height": labels.shape[0],
            "width": labels.shape[1],
            "seconds": round(step.values["seconds"], 3),
            "path": str(path),
        }
        yield Progress(step.done, step.total, step.message, "sample", values)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"The folder {folder} cannot be made ({error.strerror}); name another one."
        ) from error
