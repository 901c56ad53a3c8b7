"""One validation of a training, as a row of the table and as points of the curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

COLUMNS = (
    "step",
    "loss",
    "mean_ap",
    "ap_50",
    "ap_70",
    "ap_90",
    "train_mean_ap",
    "train_ap_50",
    "old_mean_ap",
)


def table_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give the columns of a validation.

    Parameters
    ----------
    row : mapping
        The values of an "epoch", as `train_network` yields them.

    Returns
    -------
    dict of str to number or None
        Its keys are `COLUMNS`.
    """
    ap = dict(zip(("ap_50", "ap_70", "ap_90"), row["ap"]["all"], strict=True))
    found = {**row, **ap, "train_ap_50": row["train_ap"]}
    return {name: found[name] for name in COLUMNS}


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """Name the points of a validation for TensorBoard.

    Parameters
    ----------
    row : mapping
        As for `table_row`.

    Returns
    -------
    dict of str to float
        By their curves' names; those that are not finite are left out.
    """
    points = {
        "train/loss": row["loss"],
        "train/mean_ap": row["train_mean_ap"],
        "train/ap_50": row["train_ap"],
        "validation/mean_ap": row["mean_ap"],
    }
    if row["old_mean_ap"] is not None:
        points["old/mean_ap"] = row["old_mean_ap"]
    for name, values in row["ap"].items():
        for threshold, value in zip((50, 70, 90), values, strict=True):
            points[f"validation/{name}/ap_{threshold}"] = value
    return {name: value for name, value in points.items() if math.isfinite(value)}
