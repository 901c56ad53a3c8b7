"""What the plugin adds to the start of napari.

    python benchmarks/discovery.py [--pairs 10] [--limit 50]

Each pair is a napari with the plugin and one that does not find it, each in a process of its
own that opens a window and ends; which comes first alternates. Run it under `xvfb-run -a`
where there is no screen. Printed are the medians of the differences: of the clock, and of the
processor's time, which other programs disturb less. It ends with code 1 if the latter is
above the limit [ms].
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

START = """
import sys, time
from importlib import metadata

hidden = "napari_nucleiseg-" if "without" in sys.argv else "nothing of this name"
every = metadata.distributions
metadata.distributions = lambda *arguments, **names: (
    each for each in every(*arguments, **names) if hidden not in str(each._path)
)
clock, processor = time.perf_counter(), time.process_time()
import napari

viewer = napari.Viewer()
print(time.perf_counter() - clock, time.process_time() - processor)
import npe2

assert ("napari-nucleiseg" in npe2.PluginManager.instance()) == ("with" in sys.argv)
"""


def main() -> None:
    """Measure and print."""
    options = _options()
    start("with")  # so that no first start of all is counted
    differences = []
    for number in range(options.pairs):
        order = ("with", "without") if number % 2 else ("without", "with")
        seconds = {each: start(each) for each in order}
        differences.append(
            [1000 * (a - b) for a, b in zip(seconds["with"], seconds["without"], strict=True)]
        )
        print(*(f"{each:+7.1f} ms" for each in differences[-1]), flush=True)
    clock, processor = (statistics.median(each) for each in zip(*differences, strict=True))
    print(f"median of {options.pairs}: clock {clock:+.1f} ms, processor {processor:+.1f} ms")
    sys.exit(processor > options.limit)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--limit", type=float, default=50.0, help="ms")
    return parser.parse_args()


def start(how: str) -> tuple[float, float]:
    """Start napari once; gives seconds of the clock and of the processor."""
    printed = (
        subprocess.run(
            [sys.executable, "-c", START, how],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        .stdout.splitlines()[-1]
        .split()
    )
    return float(printed[0]), float(printed[1])


if __name__ == "__main__":
    main()
