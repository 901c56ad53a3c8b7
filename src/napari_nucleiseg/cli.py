"""The command line: ``nucleiseg predict | train | import | evaluate | fetch | demo | info``.

Exit codes: 0 all done, 1 nothing done, 2 wrong usage, 3 done, but something was skipped,
130 interrupted. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from napari_nucleiseg import __version__
from napari_nucleiseg.cli_base import (
    FAILED,
    INTERRUPTED,
    OK,
    WRONG_USAGE,
    WrongOption,
    folder_path,
    with_bar,
)
from napari_nucleiseg.cli_demo import add_demo
from napari_nucleiseg.cli_evaluate import add_evaluate
from napari_nucleiseg.cli_predict import add_predict
from napari_nucleiseg.cli_train import add_import, add_train
from napari_nucleiseg.errors import BadInput


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    _prepare_streams()
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return WRONG_USAGE
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()  # what cannot be printed is better found here than when Python ends
    except OSError as error:
        if _can_print():
            raise
        return _end_unheard(error)
    except BadInput as error:
        print(f"nucleiseg: {error}", file=sys.stderr)
        return WRONG_USAGE if isinstance(error, WrongOption) else FAILED
    except KeyboardInterrupt:
        print("nucleiseg: stopped; what was finished is kept.", file=sys.stderr)
        return INTERRUPTED
    return code


def _prepare_streams() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        if isinstance(stream, io.TextIOWrapper):  # a file's name may be no text it can take
            stream.reconfigure(errors="backslashreplace")


def _can_print() -> bool:
    try:
        print(flush=True)
    except OSError:
        return False
    return True


def _end_unheard(error: OSError) -> int:
    """End where nobody takes the output; one who has read enough of it wants no message."""
    # Python flushes once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not isinstance(error, BrokenPipeError):
        print(
            f"nucleiseg: the output cannot be written ({error.strerror}); what was finished is "
            "kept: free some space, or send it elsewhere.",
            file=sys.stderr,
        )
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nucleiseg", description="Segment cell nuclei, score the masks, and train on them."
    )
    parser.add_argument("--version", action="version", version=f"nucleiseg {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    add_predict(commands)
    add_train(commands)
    add_import(commands)
    add_evaluate(commands)
    _add_fetch(commands)
    add_demo(commands)
    info = commands.add_parser("info", help="show versions, devices, models and folders")
    info.set_defaults(run=_info)
    return parser


def _add_fetch(commands: Any) -> None:
    parser = commands.add_parser("fetch", help="download a public dataset")
    parser.add_argument("name", choices=("dsb2018",))
    parser.add_argument("--out", required=True, type=folder_path, help="folder for the download")
    parser.add_argument("--url", help="another address of the same archive")
    parser.set_defaults(run=_fetch)


def _fetch(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.fetch import fetch_dsb2018

    given = {"url": arguments.url} if arguments.url else {}
    for step in with_bar(fetch_dsb2018(arguments.out, **given), ""):
        if step.kind == "result":
            print(f"Dataset: {step.values['folder']}")
    return OK


def _info(arguments: argparse.Namespace) -> int:
    from napari_nucleiseg.info import describe

    print(describe())
    return OK


if __name__ == "__main__":
    sys.exit(main())
