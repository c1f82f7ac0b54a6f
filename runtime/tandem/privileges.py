"""What a service may is its own: what it starts, workers and the scripts of health checks, gets none of it."""

from __future__ import annotations

import ctypes

_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4  # prctl(2)


def keep_capabilities() -> None:
    """No program that this process starts has capabilities, where it has any itself that are handed on (capabilities(7), "ambient")."""
    ctypes.CDLL(None).prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)  # a kernel before 4.3 has none to clear
