"""What the commands share: flags made from configs, and showing what goes on."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from napari_nucleiseg.config import SHIPPED, Config
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.pairing import composed

if TYPE_CHECKING:
    from napari_nucleiseg.progress import Progress
    from napari_nucleiseg.sample import Sample

OK, FAILED, WRONG_USAGE, SKIPPED, INTERRUPTED = 0, 1, 2, 3, 130
C = TypeVar("C", bound=Config)


class WrongOption(BadInput):
    """A flag that has no such value, or that the others leave no meaning."""


def folder_name(text: str) -> str:
    """Take the name of a folder; an empty one would be that of the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; name a folder, or . for this one")
    return text


def folder_path(text: str) -> Path:
    """Take the path of a folder, as `folder_name` does."""
    return Path(folder_name(text))


def add_config(
    parser: argparse.ArgumentParser, config: type[Config], *, from_model: bool = False
) -> None:
    """Add a flag for each parameter; one that is not given keeps the default or the model's."""
    for each in dataclasses.fields(config):  # type: ignore[arg-type]
        flag = flag_of(each.name)
        shown = "as tuned for the model" if from_model else each.default
        text = f"{each.metadata['help']} ({shown})"
        if isinstance(each.default, bool):
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=None, help=text
            )
        else:
            parser.add_argument(
                flag,
                type=type(each.default),
                choices=each.metadata["choices"] or None,
                metavar=each.metadata["unit"].upper() or None,
                help=text,
            )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the flag that chooses a model."""
    parser.add_argument(
        "--model", default=SHIPPED, metavar="NAME_OR_PATH", help=f"model ({SHIPPED})"
    )


def config_of(arguments: argparse.Namespace, base: C) -> C:
    """Take the values of a config's flags; a flag not given keeps the base's value."""
    given = {each.name: getattr(arguments, each.name) for each in dataclasses.fields(base)}  # type: ignore[arg-type]
    changed = {name: value for name, value in given.items() if value is not None}
    return with_values(base, **changed)


def with_values(base: C, **values: Any) -> C:
    """Change values of a config; one out of range is `WrongOption`."""
    try:
        return dataclasses.replace(base, **values)  # type: ignore[type-var]
    except ValueError as error:
        name, _, what = str(error).partition(" ")
        raise WrongOption(f"{flag_of(name)} {what}") from error


def flag_of(name: str) -> str:
    """Give the flag of a parameter."""
    return f"--{name.replace('_', '-')}"


def with_bar(steps: Iterable[Progress], unit: str, total: int = 0) -> Iterable[Progress]:
    """Pass steps on, and show them as a progress bar on a terminal."""
    from tqdm import tqdm

    shown = ""
    with tqdm(total=total, unit=unit, disable=not sys.stderr.isatty(), leave=False) as bar:
        for step in steps:
            if step.message != shown:
                # Else it would not be seen before something is done.
                bar.set_description_str(step.message[:50])
                shown = step.message
            if "loss" in step.values and step.kind == "step":
                bar.set_postfix_str(f"loss {step.values['loss']:.4f}", refresh=False)
            total = step.total or bar.total
            if bar.n and total == bar.total:
                bar.update(step.done - bar.n)
            else:
                # Another part of the work, or one that was begun before: how long it will
                # take is told by what is done from here on.
                bar.reset(total)
                bar.n = bar.last_print_n = bar.initial = step.done
            yield step


def say(line: str, place: TextIO | None = None) -> None:
    """Print a line at once, above the progress bar; to the standard output by default."""
    from tqdm import tqdm

    tqdm.write(line, file=place)
    (place or sys.stdout).flush()


def complain(problems: Iterable[str]) -> None:
    """Name what was skipped, and why."""
    for each in problems:
        say(f"skipped: {each}", sys.stderr)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print cells in columns, all but the first aligned to the right; nothing for no rows."""
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        first, *others = (cell for cell in row)
        cells = [
            first.ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(others, widths[1:], strict=True)),
        ]
        print("  ".join(cells))


def with_ids(samples: Sequence[Sample], path: Path | None) -> tuple[list[Sample], list[str]]:
    """Choose the samples that a file names, and say which of its ids there are not.

    Raises
    ------
    BadInput
        If the file cannot be read, or names none of them.
    """
    if path is None or not samples:
        return list(samples), []
    wanted = {composed(each) for each in read_ids(path)}
    unknown = sorted(wanted - {composed(each.id) for each in samples})
    chosen = [each for each in samples if composed(each.id) in wanted]
    if not chosen:
        raise BadInput(f"{path} names none of the {len(samples)} images; write one id a line.")
    return chosen, [f"{each} is not in the dataset" for each in unknown]


def read_ids(path: Path | None) -> tuple[str, ...]:
    """Read ids from a file, one a line; none without a file."""
    try:  # Windows' editors begin a file with a mark
        lines = path.read_text(encoding="utf-8-sig").splitlines() if path else []
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is no readable list of ids ({error}); write one a line.") from error
    return tuple(line.strip() for line in lines if line.strip())
