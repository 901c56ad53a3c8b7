"""ONNX Runtime, imported with its telemetry switched off.

Its official builds keep an id of the machine and send traces (processor, path of the Python
program, times) to Microsoft, unless this variable stood before the import. All modules write
``from napari_nucleiseg._ort import onnxruntime`` and never ``import onnxruntime``.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

# Where somebody else has imported it before.
onnxruntime.disable_telemetry_events()

__all__ = ["onnxruntime", "ort_state"]
