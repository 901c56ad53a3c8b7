"""Names of the files and folders in the folder of a training run."""

from __future__ import annotations

from pathlib import PurePath

REQUEST = "request.json"
"""What the Train dock asked for."""
RUN = "run.json"
"""How and on what it trains."""
SPLIT = "split.json"
OFFERED = "offered.json"
"""The images that it could learn from when it was begun."""
CURVES = "curves.csv"
REPORT = "report.json"
"""Scores of a recipe."""
MODEL = "model"
PICTURES = "pictures"
TENSORBOARD = "tensorboard"
CHECKPOINTS = "checkpoints"
CURRENT = PurePath(CHECKPOINTS, "CURRENT")
"""Names the newest checkpoint: there is none before it is there."""
STOPPED = "stopped"
"""Empty file that marks a run whose training was stopped early, and a model made of it."""
DECIDED = "decided"
"""Empty file that marks a run whose model was accepted or rejected."""
