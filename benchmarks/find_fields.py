"""Measure how well fields of view are found from the images alone.

    python benchmarks/find_fields.py FOLDER [--table samples.csv]

Prints pairs of samples that the table and the program put into one field. A pair that the
table lacks is no error yet: the table may be incomplete. Two further figures tell without
it. In a control, one of two edges is turned over, so that none can truly continue, and what
is still accepted is false. And neighbours must fit into a grid: going round a square of
four must lead back.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from napari_nucleiseg.dataset import read_dataset, read_sample_image
from napari_nucleiseg.fields import Edges, edges_of, find_fields, neighbours
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.splits import split_test

Pair = tuple[str, str]


def pairs(fields: Mapping[str, str]) -> set[Pair]:
    """List all pairs of ids of one field."""
    members = defaultdict(list)
    for name, field in fields.items():
        members[field].append(name)
    return {pair for each in members.values() for pair in itertools.combinations(sorted(each), 2)}


def turned(edges: Edges) -> Edges:
    """Turn the left and the upper edge over."""
    left, right, top, bottom = edges.outer
    return replace(edges, outer=(left[::-1].copy(), right, top[::-1].copy(), bottom))


def contradictions(edges: Mapping[str, Edges]) -> int:
    """Count the neighbours whose place in a grid contradicts those found before."""
    steps: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for one, other, side in neighbours(edges):
        down, right = (1, 0) if side == "below" else (0, 1)
        steps[one].append((other, down, right))
        steps[other].append((one, -down, -right))
    place: dict[str, tuple[int, int, int]] = {}
    wrong = 0
    for group, first in enumerate(sorted(steps)):
        todo = [] if first in place else [first]
        place.setdefault(first, (group, 0, 0))
        while todo:
            at = todo.pop()
            _, y, x = place[at]
            for other, down, right in steps[at]:
                if other not in place:
                    todo.append(other)
                there = (place[first][0], y + down, x + right)
                wrong += place.setdefault(other, there) != there
    return wrong // 2 + len(place) - len(set(place.values()))


def report(samples: tuple[Sample, ...]) -> None:
    """Print all figures."""
    table = {each.id: each.field or each.id for each in samples}
    start = time.perf_counter()
    found = find_fields([replace(each, field="") for each in samples])
    print(f"{len(samples)} samples, fields found in {time.perf_counter() - start:.1f} s")
    known, seen = pairs(table), pairs(found)
    both = len(known & seen)
    print(f"pairs: table {len(known)}, found {len(seen)}, both {both}")
    print(f"recall of the table's pairs {both / max(len(known), 1):.3f}")
    print(f"share of the found pairs that the table has {both / max(len(seen), 1):.3f}")
    print(
        "sizes of the groups found:",
        dict(sorted(Counter(Counter(found.values()).values()).items())),
    )

    edges = {each.id: edges_of(read_sample_image(each)) for each in samples}
    accepted = len(list(neighbours(edges)))
    false = len(list(neighbours({name: turned(each) for name, each in edges.items()})))
    print(f"continuing edges {accepted}; in the control, where none can be true, {false}")
    print(f"neighbours that contradict the grid: {contradictions(edges)}")

    joined = find_fields(samples)
    for title, fields in (("table", table), ("table and found", joined)):
        rest, test = split_test(samples, fields)
        touching = len(samples) - len(rest) - len(test)
        print(f"{title}: {touching} other images in fields of the {len(test)} test images")


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description="Measure how well fields of view are found.")
    parser.add_argument("dataset", type=Path, help="folder of the dataset")
    parser.add_argument("--table", type=Path, help="csv file with the columns id and field")
    options = parser.parse_args()
    report(read_dataset(options.dataset, table=options.table).samples)


if __name__ == "__main__":
    main()
