"""Decides from the results of checks whether a server is up: rise, fall and intervals, as HAProxy counts them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .._model import HealthCheck


@dataclass(frozen=True)
class Health:
    """What is known of one server. ``up`` is None before its first check; ``streak`` counts results that speak against the present state."""

    up: bool | None = None
    streak: int = 0
    since_s: float = 0.0
    last: str = "not checked yet"

    @property
    def state(self) -> str:
        return "checking" if self.up is None else ("up" if self.up else "down")


def after_check(health: Health, check: HealthCheck, passed: bool, said: str, now_s: float) -> Health:
    """The health after one more result.

    The first result decides at once: a server is not up before it has passed a check, and one that passes need not prove it twice. Later,
    ``fall`` failures in a row take it down and ``rise`` passes in a row bring it up.
    """
    if health.up is None:
        return Health(passed, 0, now_s, said)
    if passed == health.up:
        return replace(health, streak=0, last=said)
    streak = health.streak + 1
    if streak >= (check.rise if passed else check.fall):
        return Health(passed, 0, now_s, said)
    return replace(health, streak=streak, last=said)


def next_check_ms(health: Health, check: HealthCheck) -> int:
    """How long to wait: ``fast_interval`` while the state is about to change."""
    return min(check.fast_interval_ms, check.interval_ms) if health.streak else check.interval_ms
