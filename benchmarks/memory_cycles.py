"""Whether an afternoon of work makes the program grow, in a real window.

    python benchmarks/memory_cycles.py [--cycles 100] [--edge 512] [--samples 12]

One cycle is: open a sample, segment it, draw a stroke, delete a nucleus, save, go on. Run it
under `xvfb-run -a` where there is no screen. Printed are the resident memory of the process
and the objects that live; it ends with code 1 if memory grows by more than 100 MiB between
the tenth cycle and the last, or layers or Qt objects pile up.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import napari
from napari.layers import Layer
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QApplication

from napari_nucleiseg import edits
from napari_nucleiseg._qt.docks import show_dock
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg.synthetic import make_dataset

MOST = 100  # MiB
SLACK = 10  # objects: what the moment of looking decides
AFTER = (1, 10, 50, 100)


@dataclass(frozen=True)
class Usage:
    """What there is after a cycle."""

    memory: float
    layers: int
    widgets: int
    qt_objects: int


def main() -> None:
    """Run the cycles and print."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NUCLEISEG_CACHE"] = os.environ["NUCLEISEG_SETTINGS"] = folder
        data = make_dataset(Path(folder) / "data", seed=0, count=options.samples, edge=options.edge)
        for masks in data.glob("*/masks"):
            shutil.rmtree(masks)
        viewer = napari.Viewer(show_welcome_screen=False)
        viewer.window.resize(1280, 800)
        docks = {name: show_dock(viewer, name) for name in ("Dataset", "Segment", "Correct")}
        layers_for(viewer).session.set_model(options.model)
        docks["Dataset"].opening.open(data)
        usages = run(viewer, docks["Segment"], options.cycles)
        viewer.close()
    sys.exit(judge(usages))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--edge", type=int, default=512, help="height and width, px")
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--model", default="nuclei")
    return parser.parse_args()


def run(viewer: Any, segment: Any, cycles: int) -> dict[int, Usage]:
    """Do the cycles; give what there was after some of them."""
    usages = {}
    print("cycle   memory  layers  widgets  Qt objects")
    for number in range(1, cycles + 1):
        cycle(viewer, segment, number)
        if number in (*AFTER, cycles):
            usages[number] = usage = look()
            print(
                f"{number:5d}  {usage.memory:5.0f} MiB  {usage.layers:5d}  {usage.widgets:7d}  "
                f"{usage.qt_objects:9d}",
                flush=True,
            )
    return usages


def cycle(viewer: Any, segment: Any, number: int) -> None:
    """Open, segment, draw, delete, save."""
    layers = layers_for(viewer)
    session = layers.session
    wait(lambda: bool(session.order))
    wanted = session.order[number % len(session.order)]
    session.select(wanted)
    wait(lambda: layers.sample is session[wanted] and not layers.is_loading)
    wait(lambda: segment.run_bar.start_button.isEnabled())
    segment.run_bar.start_button.click()
    wait(lambda: not segment.segmenter.is_running)
    layer = layers.labels_layer
    layer.mode, layer.brush_size = "paint", 15
    layer.selected_label = int(layer.data.max()) + 1
    layer.paint((20 + number % 50, 30), layer.selected_label)
    first = next((int(each) for each in layer.data.ravel() if each), 0)
    if first:
        layers.draft.apply_edit(edits.delete(layer.data, first))
    layer.undo()
    layer.redo()
    layers.saving.save()
    wait(lambda: not layers.saving.is_busy and not layers.draft.unsaved)


def look() -> Usage:
    """Count what lives, once the window has come to rest."""
    rest = time.perf_counter() + 0.5
    wait(lambda: time.perf_counter() > rest)
    gc.collect()
    alive = gc.get_objects()
    application = QApplication.instance()
    return Usage(
        resident(),
        sum(isinstance(each, Layer) for each in alive),
        len(QApplication.allWidgets()),
        len(application.findChildren(QObject)),
    )


def resident() -> float:
    """Read the memory [MiB] that the process has, as Linux counts it."""
    line = next(
        each for each in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in each
    )
    return int(line.split()[1]) / 1024


def wait(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Let the window work until a condition holds."""
    until = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > until:
            raise TimeoutError("The window did not come so far in two minutes.")
        QApplication.processEvents()
        time.sleep(0.001)


def judge(usages: dict[int, Usage]) -> int:
    """Compare the last cycle with the tenth: 0 if nothing has grown."""
    last = usages[max(usages)]
    tenth = usages.get(10, last)
    grown = last.memory - tenth.memory
    piled = [
        after > before for before, after in zip(astuple(tenth)[1:], astuple(last)[1:], strict=True)
    ]
    print(f"memory since the tenth cycle: {grown:+.0f} MiB (limit {MOST})")
    return int(grown > MOST or any(piled))


if __name__ == "__main__":
    main()
