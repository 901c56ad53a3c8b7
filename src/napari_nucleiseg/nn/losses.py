"""The loss of the three maps."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class MapsLoss(keras.losses.Loss):
    """Foreground, distance and border, all from logits; of two classes, the foreground.

    Binary cross-entropy and Dice for the foreground, cross-entropy with soft targets for
    the distance, and cross-entropy for the border; border pixels are heavier in the last
    two: nuclei that touch are parted there, or merge.

    Parameters
    ----------
    border_weight : float
        Weight of a border pixel against another pixel.
    """

    def __init__(self, border_weight: float = 5.0) -> None:
        super().__init__(name="maps_loss")
        self.border_weight = border_weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Score logits, (N, H, W, 3) or (N, H, W, 2), against (N, H, W, 3) uint8 targets."""
        y_true = ops.cast(y_true, "float32") / 255.0
        y_pred = ops.cast(y_pred, "float32")
        if y_pred.shape[-1] == 2:
            # The softmax of two logits is the sigmoid of their difference.
            nucleus = y_pred[..., 1] - y_pred[..., 0]
            entropy = _cross_entropy(y_true[..., 0], nucleus)
            return ops.mean(entropy) + 0.5 * _dice_loss(y_true[..., 0], nucleus)
        entropy = _cross_entropy(y_true, y_pred)
        border = y_true[..., 2]
        weights = 1.0 + (self.border_weight - 1.0) * border
        foreground = ops.mean(entropy[..., 0]) + 0.5 * _dice_loss(y_true[..., 0], y_pred[..., 0])
        return foreground + ops.mean((entropy[..., 1] + entropy[..., 2]) * weights)


def _cross_entropy(targets: Any, logits: Any) -> Any:
    """Binary cross-entropy from logits, in the form that cannot overflow."""
    return ops.relu(logits) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))


def _dice_loss(targets: Any, logits: Any) -> Any:
    probability = ops.sigmoid(logits)
    overlap = ops.sum(probability * targets)
    return 1.0 - (2.0 * overlap + 1.0) / (ops.sum(probability) + ops.sum(targets) + 1.0)
