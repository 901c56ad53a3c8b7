"""Which weights of a training are kept: those that do best on held-out images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.nn.weights import Arrays

SHARE_BESIDE_OLD = 2 / 3
"""Largest share of the new weights in the average where old images are mixed in: most of the
gain, and little unlearned (Wortsman et al. 2022, WiSE-FT)."""
ENOUGH_TO_CHOOSE = 10
"""Fewest held-out images to choose epochs and thresholds by; fewer overfit."""


class Choice:
    """The best weights so far, and what must be better to replace them.

    Parameters
    ----------
    config : TrainConfig
        `share_of_new` is used.
    start : dict of str to array
        The weights that the training starts from.
    knows_nuclei : bool
        Whether the start is a trained network; only then is it averaged with.
    beside_old : bool
        Whether images that the start was trained on are mixed in.
    held_out : int
        Images that the candidates are scored on.

    Attributes
    ----------
    weights : dict of str to array
    score : float
        Their mean AP less what was unlearned; -1 before anything was scored.
    step : int
        When they were found.
    """

    def __init__(
        self,
        config: TrainConfig,
        start: Arrays,
        *,
        knows_nuclei: bool,
        beside_old: bool,
        held_out: int,
    ) -> None:
        is_fine_tuning = knows_nuclei and beside_old
        most = SHARE_BESIDE_OLD if is_fine_tuning else 1.0
        self._share = min(config.share_of_new, most) if knows_nuclei else 1.0
        self._is_enough = held_out >= ENOUGH_TO_CHOOSE
        self._is_noisy = is_fine_tuning and not self._is_enough
        self._start = start
        self._first: Mapping[str, Any] | None = None
        self.weights, self.score, self.step = dict(start), -1.0, 0

    def candidate(self, average: Arrays) -> Arrays:
        """Give what is to be scored: weights on the way from the start to the averaged ones."""
        if self._share == 1.0:
            return dict(average)
        return {
            name: (1 - self._share) * self._start[name] + self._share * value
            for name, value in average.items()
        }

    def offer(self, candidate: Arrays, row: Mapping[str, Any]) -> None:
        """Keep a candidate if it is better.

        Parameters
        ----------
        candidate : dict of str to array
        row : mapping
            Its "step", and its mean AP on held-out images, "mean_ap", and on old ones,
            "old_mean_ap", which may be None.
        """
        self._first = self._first or row
        score = row["mean_ap"] - self._unlearned(row)
        if score > self._score_to_beat(row):
            self.weights, self.score, self.step = candidate, score, row["step"]

    def restore(self, weights: Arrays, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint: the best weights, and what `state` gave."""
        self.weights = weights
        self.score, self.step = state["best_score"], state["best_step"]
        self._first = next(iter(state["rows"]), None)

    def state(self) -> dict[str, Any]:
        """Give what `restore` needs, but for weights and rows."""
        return {"best_score": self.score, "best_step": self.step}

    def may_tune(self, is_given: bool) -> bool:
        """Tell whether the held-out images are enough to change thresholds that were given.

        Tuned on a few of them or on old ones, AP .5 on fluorescence fell by .01 to .05.
        """
        return not is_given or (self.step > 0 and self._is_enough)

    def _score_to_beat(self, row: Mapping[str, Any]) -> float:
        """Give the best score so far; that of the start where little is held out.

        To choose among epochs by few images is little better than chance (Perez et al. 2021).
        The newest weights have seen most, and the learning rate falls to zero.
        """
        first = self._first
        if self._is_noisy and first is not None and first is not row and not first["step"]:
            return float(first["mean_ap"])
        return self.score

    def _unlearned(self, row: Mapping[str, Any]) -> float:
        """Measure how much worse than the start it is on old images: a gain must outweigh it."""
        first = self._first or row
        if row["old_mean_ap"] is None or first["step"]:
            return 0.0
        return float(max(0.0, first["old_mean_ap"] - row["old_mean_ap"]))
