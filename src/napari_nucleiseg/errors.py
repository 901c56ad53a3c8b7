"""Errors that are meant for the person at the screen."""

from __future__ import annotations


class BadInput(ValueError):
    """Input that cannot be used.

    The message is one sentence that names what was got, what was expected and the
    remedy. It derives from `ValueError`, because Qt worker threads swallow
    `RuntimeError`.
    """
