"""What a run keeps of itself in its folder: its split, once and for all, and how it was begun."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_nucleiseg.atomic import saving
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.json_files import read_json, write_json
from napari_nucleiseg.model_check import check_name, is_split
from napari_nucleiseg.models import check_place
from napari_nucleiseg.run_checks import check_new, check_same_dataset, check_same_run
from napari_nucleiseg.run_description import describe, ids_of
from napari_nucleiseg.run_folder import MODEL, OFFERED, RUN, SPLIT
from napari_nucleiseg.run_request import Request
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.splits import TRAIN, VALIDATION, Split


def keep_record(
    request: Request, samples: Sequence[Sample], split_now: Callable[[], Split]
) -> Split:
    """Write down what a run is, and split its samples once and for all.

    Parameters
    ----------
    request : Request
    samples : sequence of Sample
        Those of the dataset.
    split_now : callable
        Asked when a run begins; one that is gone on with stays split as it was.

    Returns
    -------
    dict of str to tuple of Sample

    Raises
    ------
    BadInput
        If the run was begun with another start, config or dataset, its split names samples that are
        missing, its model's name is none, or the folder holds files that no run has written:
        better now than when all is trained.
    """
    check_name(request.model_name)
    out = Path(request.out)
    with saving(out):
        check_place(out / MODEL)
    is_begun = (out / SPLIT).exists()
    if is_begun:
        check_same_run(request)
        split = _read_split(samples, out / SPLIT)
    else:
        check_new(out)
        split = split_now()
        if not split[TRAIN]:
            raise BadInput(
                "There is no image to train on: images need masks, labels that somebody "
                "corrected, or an approval, and those for testing and their fields are left out."
            )
        with saving(out):
            out.mkdir(parents=True, exist_ok=True)
        write_json(out / SPLIT, ids_of(split))
    now = describe(request, split)
    if is_begun:
        check_same_dataset(out, now)
    write_json(out / RUN, now)
    return split


def _read_split(samples: Sequence[Sample], path: Path) -> Split:
    by_id = {each.id: each for each in samples}
    before = read_json(path)
    if not is_split(before) or not {TRAIN, VALIDATION} <= before.keys():
        raise BadInput(
            f"{path} does not tell which samples are trained and validated on; restore it, or "
            "train into another folder."
        )
    missing = [each for ids in before.values() for each in ids if each not in by_id]
    if missing:
        raise BadInput(
            f"{path} names {missing[0]}, which is not in the dataset; open the dataset that "
            "the run was begun with, or train into another folder."
        )
    return {name: tuple(by_id[each] for each in ids) for name, ids in before.items()}


def note_newcomers(out: Path, samples: Sequence[Sample], split: Split) -> str:
    """Say how many samples a run that was begun without them does not learn from.

    Parameters
    ----------
    out : Path
        Folder of the run. The first time, the samples' ids are written down there.
    samples : sequence of Sample
        All with a truth.
    split : dict of str to tuple of Sample
        Those of the run. What is in it, and test samples, are no newcomers.

    Returns
    -------
    str
        Empty where there are none.
    """
    before = read_json(out / OFFERED)
    if not isinstance(before, list):
        write_json(out / OFFERED, [each.id for each in samples])
        return ""
    known = {*map(str, before), *(each.id for part in split.values() for each in part)}
    count = sum(each.id not in known and each.split != "test" for each in samples)
    if not count:
        return ""
    images, them = ("1 image that has labels is", "it")
    if count > 1:
        images, them = (f"{count} images that have labels are", "them")
    return (
        f"{images} not part of this run, which was begun without {them}: begin a new one to learn "
        f"from {them}."
    )
