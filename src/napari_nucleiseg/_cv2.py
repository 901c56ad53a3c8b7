"""OpenCV, imported so that it does not break a later Qt window.

On Linux the opencv-python wheel points ``QT_QPA_PLATFORM_PLUGIN_PATH`` at its own Qt
plugins when it is imported, and a ``QApplication`` made afterwards aborts. All modules
write ``from napari_nucleiseg._cv2 import cv2`` and never ``import cv2``.
"""

import os

_KEYS = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
_before = {key: os.environ.get(key) for key in _KEYS}

import cv2  # noqa: E402

for _key, _value in _before.items():
    if _value is None:
        os.environ.pop(_key, None)
    else:
        os.environ[_key] = _value

__all__ = ["cv2"]
