"""A server that has just come up gets more and more of its share, so that it can fill its caches before all clients meet it. Pure."""

from __future__ import annotations

STEPS = 16  # in which the share rises


def rising_weight(weight: int, up_s: float, slow_start_s: float) -> int:
    """The weight of a server that has been up for so long, in sixteenths: ``STEPS`` times the weight when the time is over, and never nothing."""
    if not weight:
        return 0
    if up_s >= slow_start_s:
        return weight * STEPS
    return max(1, int(weight * STEPS * max(0.0, up_s) / slow_start_s))
