from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow.core.util.event_pb2 import Event

from napari_nucleiseg.nn.tensorboard import write_scalars


def read(folder: Path) -> list[tuple[int, dict[str, float]]]:
    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = Event.FromString(record.numpy())
            values = {each.tag: each.simple_value for each in event.summary.value}
            if values:
                found.append((event.step, values))
    return found


def test_scalars_are_read_back_in_order_and_a_repeated_step_replaces(tmp_path: Path) -> None:
    write_scalars(tmp_path / "log", 100, {"train/loss": 0.25})
    write_scalars(tmp_path / "log", 1000, {"train/loss": 0.5})
    write_scalars(tmp_path / "log", 1000, {"train/loss": 0.125})
    assert read(tmp_path / "log") == [(100, {"train/loss": 0.25}), (1000, {"train/loss": 0.125})]
