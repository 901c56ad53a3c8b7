"""Curves for TensorBoard, written without TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import keras


def write_scalars(folder: Path, step: int, scalars: Mapping[str, float]) -> None:
    """Write the values of one validation as an event file of its own.

    TensorBoard reads all event files of a folder in the order of their names. One file a
    step means that a resumed run replaces what it repeats, and that a kill tears nothing
    but the newest file.

    Parameters
    ----------
    folder : Path
        Made if need be.
    step : int
        Training steps done.
    scalars : mapping of str to float
        By TensorBoard's tag, e.g. "validation/ap_50".

    Notes
    -----
    Does nothing where Keras runs on another backend than TensorFlow, whose format it is.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf
    from tensorflow.core.framework.summary_pb2 import Summary
    from tensorflow.core.util.event_pb2 import Event

    folder.mkdir(parents=True, exist_ok=True)
    values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
    events = (
        Event(wall_time=time.time(), file_version="brain.Event:2"),
        Event(wall_time=time.time(), step=step, summary=Summary(value=values)),
    )
    path = folder / f"events.out.tfevents.{step:010d}.nucleiseg"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for event in events:
            writer.write(event.SerializeToString())
