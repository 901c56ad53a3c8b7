"""How fast labels follow a slider, and how fast a cancel acts, in a real window.

    python benchmarks/slider_latency.py [--edge 1024] [--nuclei 500] [--moves 30]

Run it under `xvfb-run -a` where there is no screen. The clock runs from the move of the
slider until the window that holds the new labels has been put on the screen: Qt's
`frameSwapped` of the canvas, the first after the labels were shown. Before each move the
window rests, so that no picture of the move before is counted or drawn meanwhile. Qt's own
loop waits for events, as in napari. A busy computer makes all of it slower; the load is
printed beside, and the processor time of all threads.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication
from scipy import ndimage

from napari_nucleiseg._qt import canvas, redecoder
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.segment_dock import SegmentDock
from napari_nucleiseg.config import DecodeConfig, PredictConfig
from napari_nucleiseg.nn.targets import targets_from_labels
from napari_nucleiseg.session import session_for
from napari_nucleiseg.synthetic import make_image


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NUCLEISEG_CACHE"] = os.environ["NUCLEISEG_MODELS"] = folder
        viewer = napari.Viewer()
        viewer.window.resize(1280, 800)
        image, labels = make_image(
            "fluorescence", (options.edge, options.edge), 0, nuclei=options.nuclei
        )
        dock = open_sample(viewer, image, Path(folder))
        rest(6.0)  # a notice of napari's lies over the canvas at first, and is drawn with it
        print(f"{labels.max()} nuclei, {options.edge} x {options.edge}, load {os.getloadavg()[0]}")
        measure_slider(dock, viewer, soft_maps(labels), options.moves)
        if dock.models.models:
            measure_cancel(dock, viewer, options.moves // 3)
        session_for(viewer).close_dataset()
        viewer.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=1024, help="height and width, px")
    parser.add_argument("--nuclei", type=int, default=500)
    parser.add_argument("--moves", type=int, default=30)
    return parser.parse_args()


def open_sample(viewer: Any, image: np.ndarray, folder: Path) -> SegmentDock:
    """Open a dataset of one image, with the dock beside it."""
    import tifffile

    tifffile.imwrite(folder / "image.tif", image)
    session, layers = session_for(viewer), layers_for(viewer)
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment")
    session.open_dataset(folder / "image.tif")
    session.select(session.order[0])
    wait(lambda: layers.labels_layer is not None)
    return dock


def soft_maps(labels: np.ndarray) -> np.ndarray:
    """Make maps (H, W, 3) uint8 like a network's: right, but not sharp."""
    return ndimage.gaussian_filter(targets_from_labels(labels), (1.0, 1.0, 0.0))


def wait(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Let the window work until a condition holds, looking every millisecond."""
    until = time.perf_counter() + seconds
    while not condition() and time.perf_counter() < until:
        QApplication.processEvents()
        time.sleep(0.001)


def measure_slider(dock: SegmentDock, viewer: Any, maps: np.ndarray, moves: int) -> None:
    """Move the slider of the foreground to and fro."""
    session, layers = session_for(viewer), layers_for(viewer)
    session.set_decode(DecodeConfig())
    session.keep_maps(session.sample.id, maps)
    slider = dock.thresholds.control("foreground").slider
    decoded, shown = timing(redecoder, "_decode"), timing(layers, "show_prediction")
    painted, processor = [], []
    for move in range(moves + 2):
        rest(0.3)
        shown_before, own = len(shown), time.process_time()
        begin = time.perf_counter()
        slider.setValue(30 + move % 2 * 10 + move // 2 % 20)
        wait_for_frame(viewer, lambda before=shown_before: len(shown) > before)
        painted.append(time.perf_counter() - begin)
        processor.append(time.process_time() - own)
    report("slider to screen", painted[2:])
    report("  of which decoding, in a worker", decoded[2:])
    report("  of which showing, in the window's thread", shown[2:])
    report("  processor time of all threads", processor[2:])


def rest(seconds: float) -> None:
    """Let the window work for a while, as between two moves of a hand."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec_()


def wait_for_frame(viewer: Any, is_shown: Callable[[], bool]) -> None:
    """Let the window work until it was put on the screen with what is shown."""
    loop, widget = QEventLoop(), canvas.canvas_widget(viewer)

    def look() -> None:
        if is_shown():
            loop.quit()

    widget.frameSwapped.connect(look)
    loop.exec_()
    widget.frameSwapped.disconnect(look)


def timing(owner: Any, name: str) -> list[float]:
    """Have a function note how long [s] each of its calls takes."""
    function, seconds = getattr(owner, name), []

    def timed(*arguments: Any) -> Any:
        begin = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            seconds.append(time.perf_counter() - begin)

    setattr(owner, name, timed)
    return seconds


def measure_cancel(dock: SegmentDock, viewer: Any, times: int) -> None:
    """Cancel in the middle of an image: until the dock is free, and the thread has ended."""
    session_for(viewer).set_predict_config(PredictConfig(tile=256))
    free, ended = [], []
    for _ in range(times):
        steps: list[object] = []
        dock.segmenter.progressed.connect(steps.append)
        dock.run_bar.start_button.click()
        job = dock.segmenter._job
        wait(lambda steps=steps: len(steps) >= 2)
        begin = time.perf_counter()
        dock.run_bar.cancel_button.click()
        wait(lambda: not dock.segmenter.is_running)
        QApplication.processEvents()
        free.append(time.perf_counter() - begin)
        job.wait(60)
        ended.append(time.perf_counter() - begin)
        dock.segmenter.progressed.disconnect(steps.append)
    report("cancel to a free dock", free)
    report("  until the thread has ended", ended)


def report(name: str, seconds: list[float]) -> None:
    """Print median and the slowest."""
    median, slowest = np.median(seconds) * 1000, max(seconds) * 1000
    print(f"{name}: median {median:.0f} ms, slowest {slowest:.0f} ms")


if __name__ == "__main__":
    main()
