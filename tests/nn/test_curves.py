from __future__ import annotations

import math

from napari_nucleiseg.nn.curves import COLUMNS, scalars, table_row

ROW = {
    "step": 20,
    "loss": math.nan,
    "mean_ap": 0.5,
    "ap": {"all": [0.7, 0.5, 0.2], "stained": [0.4, 0.3, 0.1]},
    "train_mean_ap": 0.6,
    "train_ap": 0.8,
    "old_mean_ap": None,
}


def test_a_row_has_all_columns() -> None:
    row = table_row(ROW)
    assert tuple(row) == COLUMNS
    assert (row["ap_50"], row["ap_70"], row["ap_90"]) == (0.7, 0.5, 0.2)
    assert row["train_ap_50"] == 0.8


def test_curves_have_a_point_for_each_modality_and_none_for_what_is_not_known() -> None:
    """Before the first step there is no loss; without old images no score on them."""
    points = scalars(ROW)
    assert points["validation/stained/ap_90"] == 0.1
    assert points["validation/all/ap_50"] == 0.7
    assert "train/loss" not in points
    assert "old/mean_ap" not in points
    assert scalars({**ROW, "loss": 0.3, "old_mean_ap": 0.9})["old/mean_ap"] == 0.9
