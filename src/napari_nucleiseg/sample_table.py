"""The table of samples that may stand beside a dataset: ``samples.csv``.

It has a column ``id``, and any of ``modality``, ``field`` (or ``group``), ``split`` and
``stardist_test``, in capitals or not.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.pairing import composed
from napari_nucleiseg.sample import Found, Sample
from napari_nucleiseg.sample_search import split_of

TABLE = "samples.csv"
_YES = ("1", "1.0", "true", "yes")
_NO = ("0", "0.0", "false", "no")


def find_table(opened: Path, found: Found) -> Path | None:
    """Find the table of what was opened: in the folder, in its parent, or beside the image."""
    folder = opened if os.path.isdir(opened) else opened.parent
    places = (folder, found.root, folder.parent, found.root.parent)
    return next((place / TABLE for place in places if os.path.isfile(place / TABLE)), None)


def with_table(found: Found, table: Path, *, required: bool) -> Found:
    """Add what a table tells of the samples.

    Parameters
    ----------
    found : Found
    table : Path
    required : bool
        Whether the person named it. One that merely lies there may be somebody else's: what
        is wrong with it is a problem then, and no error.

    Raises
    ------
    BadInput
        If it is required, and cannot be read or names none of the samples.
    """
    try:
        rows = _read_table(table)
    except BadInput as error:
        if required:
            raise
        return replace(found, problems=(*found.problems, str(error)))
    by_id = {row["id"]: row for row in rows}
    known = {composed(each.id) for each in found.samples} & by_id.keys()
    if not known and required:
        raise BadInput(
            f"{table} names none of the {len(found.samples)} samples in its column id: name "
            "another table, or write the names of the samples there."
        )
    problems = [*found.problems]
    if known and len(known) < len(found.samples):
        missing = f"{len(found.samples) - len(known)} of {len(found.samples)} samples"
        problems.append(f"{table} has no row for {missing}: add them.")
    problems += _oddities(table, [row for row in rows if row["id"] in known])
    samples = tuple(_with_row(each, by_id.get(composed(each.id), {})) for each in found.samples)
    return replace(found, samples=samples, problems=tuple(problems))


def _read_table(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            # Where a comma stands in numbers, spreadsheets put semicolons between cells.
            header = file.readline()
            file.seek(0)
            between = max(",;\t", key=header.count)
            rows = [_clean(row) for row in csv.DictReader(file, delimiter=between)]
    except OSError as error:
        raise BadInput(
            f"{table} cannot be read ({error.strerror}); check that you may read it."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            f"{table} is no readable csv table ({error}): save it as csv in UTF-8."
        ) from error
    if rows and "id" not in rows[0]:
        raise BadInput(
            f"{table} has the columns {', '.join(rows[0])}; expected one named id: rename the "
            "column that holds the names of the samples."
        )
    return rows


def _clean(row: dict[str, str]) -> dict[str, str]:
    """Strip and compose the cells; drop those beyond the header, give missing ones as empty."""
    return {
        key.strip().casefold(): composed((value or "").strip()) for key, value in row.items() if key
    }


def _with_row(sample: Sample, row: dict[str, str]) -> Sample:
    stardist = row.get("stardist_test", "").casefold()
    split = split_of(row.get("split", "")) or sample.split or ("train" if stardist in _NO else "")
    return replace(
        sample,
        modality=row.get("modality", sample.modality),
        field=row.get("field", "") or row.get("group", "") or sample.field,
        split="test" if stardist in _YES else split,
    )


def _oddities(table: Path, rows: Sequence[dict[str, str]]) -> list[str]:
    """Write one sentence for each kind of thing that cannot be used."""
    count = Counter(row["id"] for row in rows)
    several = [name for name in count if count[name] > 1]
    splits = [row for row in rows if row.get("split") and not split_of(row["split"])]
    problems = []
    if several:
        problems.append(f"{table} has several rows for {_and_more(several)}; the last one counts.")
    if splits:
        who, value = _and_more([row["id"] for row in splits]), splits[0]["split"][:40]
        problems.append(f"{table} gives {who} the split {value!r}; expected train or test.")
    return problems


def _and_more(names: Sequence[str]) -> str:
    """Name the first, and count the others."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
