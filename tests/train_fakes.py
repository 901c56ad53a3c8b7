"""A training for the engine's child that learns nothing, in no time. See `engine_fakes`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tiny_models import bright_blobs

from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.models import write_model
from napari_nucleiseg.progress import Progress

STEPS = 20


def train(request: Mapping[str, Any]) -> Iterator[Progress]:
    """What the name asks for: "slow", "dies" (once), "refused"; the last sample is held out."""
    out, name = Path(request["out"]), request["name"]
    if name == "refused":
        raise BadInput("There is nothing to learn; annotate more.")
    yield Progress(1, 2, "Reading images", "read")
    done = int((out / "done").read_text()) if (out / "done").exists() else 0
    yield Progress(done, STEPS, "Preparing the network", "start")
    for step in range(done + 1, STEPS + 1):
        # Slow until it is stopped: who goes on with it need not wait.
        time.sleep(1 if name == "slow" and not done and step > 6 else 0.01)
        yield Progress(step, STEPS, kind="step", values={"loss": 1 / step})
        if step % 5 == 0:
            yield epoch(out, step)
        if step == 12 and name == "dies" and done == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    model = write(out / "model", name, request["only"])
    yield Progress(STEPS, STEPS, "Trained", "result", {"model": str(model), "scores": {}})


def epoch(out: Path, step: int) -> Progress:
    (out / "done").write_text(str(step))
    rows = "".join(f"{each},{1 / each},.5,.6,.5,.1\n" for each in range(5, step + 1, 5))
    (out / "curves.csv").write_text(f"step,loss,mean_ap,ap_50,ap_70,ap_90\n{rows}")
    ap = {"all": [0.6, 0.5, 0.1]}
    values = {"step": step, "loss": 1 / step, "mean_ap": 0.5, "ap": ap}
    return Progress(step, STEPS, kind="epoch", values=values)


def write(folder: Path, name: str, ids: list[str]) -> Path:
    split = {"train": ids[:-1], "validation": ids[-1:]}
    return write_model(
        folder,
        network="nuclei",
        weights={"conv/kernel": np.ones((3, 3, 3, 8), np.float16)},
        graph=bright_blobs().SerializeToString(),
        decode=DecodeConfig(foreground=0.5, distance=0.3),
        diameter=20.0,
        name=name,
        training={"split": split},
    ).folder


JOBS = {"train": train}
