"""A training for the engine's child that learns nothing, in no time. See `engine_fakes`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tiny_models import bright_blobs

from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.models import write_model
from napari_nucleiseg.progress import Progress

STEPS = 20


def train(request: Mapping[str, Any]) -> Iterator[Progress]:
    """What the name asks for: "slow", "early" (slow at once), "dies" (once), "refused".

    The last sample is held out.
    """
    out, name = Path(request["out"]), request["name"]
    if name == "refused":
        raise BadInput("There is nothing to learn; annotate more.")
    yield Progress(0, 0, "A thing to know.", "note")
    yield Progress(1, 2, "Reading images", "read")
    if request.get("finish_now"):
        yield result(out, name, request["only"], stopped=True)
        return
    done = int((out / "done").read_text()) if (out / "done").exists() else 0
    yield Progress(done, STEPS, "Preparing the network", "start")
    for step in range(done + 1, STEPS + 1):
        # Slow until it is stopped: who goes on with it need not wait.
        is_slow = step > {"early": 1, "slow": 6}.get(name, STEPS)
        time.sleep(1 if is_slow and not done else 0.01)
        yield Progress(step, STEPS, kind="step", values={"loss": 1 / step})
        if step % 5 == 0:
            yield epoch(out, step)
        if step == 12 and name == "dies" and done == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    yield result(out, name, request["only"], stopped=False)


def result(out: Path, name: str, ids: list[str], *, stopped: bool) -> Progress:
    model = write(out / "model", name, ids)
    if stopped:
        (out / "stopped").touch()
    else:
        (out / "stopped").unlink(missing_ok=True)
    return Progress(STEPS, STEPS, "Trained", "result", {"model": str(model), "scores": {}})


def epoch(out: Path, step: int) -> Progress:
    (out / "done").write_text(str(step))
    (out / "checkpoints").mkdir(exist_ok=True)
    (out / "checkpoints" / "CURRENT").write_text(f"step-{step:08d}")
    rows = "".join(f"{each},{1 / each},.5,.6,.5,.1,.7,.8\n" for each in range(5, step + 1, 5))
    header = "step,loss,mean_ap,ap_50,ap_70,ap_90,train_mean_ap,train_ap_50\n"
    (out / "curves.csv").write_text(header + rows)
    (out / "pictures").mkdir(exist_ok=True)
    picture = out / "pictures" / f"step-{step:08d}.png"
    Image.fromarray(np.full((64, 96, 3), step * 10, np.uint8)).save(picture)
    values = {
        "step": step,
        "loss": 1 / step,
        "mean_ap": 0.5,
        "ap": {"all": [0.6, 0.5, 0.1]},
        "train_ap": 0.8,
        "picture": str(picture),
    }
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


def prepare(request: Mapping[str, Any]) -> Iterator[Progress]:
    yield Progress(1, 1, kind="device", values={"name": "CPU", "reason": "A fake card."})


JOBS = {"prepare": prepare, "train": train}
