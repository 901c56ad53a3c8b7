"""A real training of a tiny network, to be killed: ``python tiny_training.py FOLDER``.

It tells each step and validation on standard output, and goes on with what is in the folder.
With ``--die-at N`` it kills itself before the N-th time that a checkpoint touches the disk.
Importing this brings no TensorFlow.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleiseg.config import TrainConfig

EPOCH = 3
TOUCHES = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir")


def config(steps: int) -> TrainConfig:
    return TrainConfig(
        steps=steps, epoch_steps=EPOCH, batch=2, crop=64, warmup_steps=2, learning_rate=1e-2
    )


def hash_of(weights: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + np.ascontiguousarray(weights[name]).tobytes())
    return digest.hexdigest()


# --- in the child


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--die-at", type=int, default=0)
    arguments = parser.parse_args()

    from napari_nucleiseg.nn import training
    from napari_nucleiseg.nn.augment import example
    from napari_nucleiseg.synthetic import make_image

    training.build_network = lambda name: tiny_network()  # it is traced in a second
    if arguments.die_at:
        die_at(arguments.die_at, arguments.folder / "checkpoints")
    examples = [example(str(i), *make_image("fluorescence", (96, 96), i), "made") for i in range(4)]
    job = training.train_network(
        examples[:3], examples[3:], config(arguments.steps), arguments.folder
    )
    for step in job:
        if step.kind in ("step", "start"):
            say({step.kind: step.done, **step.values})
        elif step.kind == "epoch":
            say({"epoch": step.done, "score": step.values["mean_ap"]})
        elif step.kind == "trained":
            trained = step.values["trained"]
            say({"trained": hash_of(trained.weights), "best": trained.scores["best_step"]})


def tiny_network() -> Any:
    import keras

    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", name="decoder_a")(image)
    x = keras.layers.ReLU(name="decoder_relu")(
        keras.layers.BatchNormalization(name="decoder_bn")(x)
    )
    return keras.Model(image, keras.layers.Conv2D(3, 3, padding="same", name="head_maps")(x))


def die_at(count: int, folder: Path) -> None:
    """Kill this process before the `count`-th time that something in a folder is touched."""
    seen = 0

    def on_event(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in TOUCHES and str(arguments[0]).startswith(str(folder)):
            is_read = event == "open" and arguments[1] in ("r", "rb")
            seen += not is_read
            if seen == count:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(on_event)


def say(words: Mapping[str, Any]) -> None:
    print(json.dumps(words), flush=True)  # noqa: T201


# --- in the process that watches it


@dataclass
class Life:
    """What one process said until it ended."""

    said: list[dict[str, Any]] = field(default_factory=list)
    code: int = 0

    def last(self, name: str) -> int:
        return max((words[name] for words in self.said if name in words), default=0)


def live(folder: Path, *, steps: int = 12, die_at: int = 0, kill_after: int | None = None,
         delay: float = 0.0) -> Life:  # fmt: skip
    """Run a training; kill it `delay` seconds after it has said so many steps."""
    command = [sys.executable, __file__, str(folder), "--steps", str(steps)]
    process = subprocess.Popen(
        [*command, "--die-at", str(die_at)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert process.stdout is not None
    life = Life()
    for line in process.stdout:
        if not line.endswith("\n"):
            break  # torn by the kill
        life.said.append(json.loads(line))
        if kill_after is not None and sum("step" in words for words in life.said) == kill_after:
            threading.Timer(delay, process.kill).start()
            kill_after = None
    life.code = process.wait()
    return life


def losses_of(folder: Path, lives: list[Life]) -> list[str]:
    """Say what is lost or wrong in the checkpoint after some lives of a run; nothing is best."""
    from napari_nucleiseg.nn.checkpoints import read_checkpoint

    epochs = [words for life in lives for words in life.said if "epoch" in words]
    found = read_checkpoint(folder / "checkpoints")
    if found is None:
        return ["no checkpoint is left"] if epochs else []
    step, state, parts = found
    wrong = []
    reported = max((words["epoch"] for words in epochs), default=0)
    done = max(life.last("step") for life in lives)
    if step < reported:
        wrong.append(f"step {reported} had been validated, {step} is left")
    if done - step > EPOCH:
        wrong.append(f"step {done} had been done, {step} is left")
    best = max((words["score"] for words in epochs if words["epoch"] <= step), default=-1.0)
    if round(state["best_score"], 5) < best:
        wrong.append(f"{best} had been reached, the best is {state['best_score']}")
    if not all(np.isfinite(each).all() for each in parts["best"].values()):
        wrong.append("the best weights are not finite")
    return wrong


if __name__ == "__main__":
    main()
