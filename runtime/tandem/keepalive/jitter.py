"""Pure: how irregular a peer's heartbeats come, smoothed as RTP does it (RFC 3550 6.4.1): J += (|D| - J) / 16."""

from __future__ import annotations

from typing import Optional

_WEIGHT = 1 / 16


class Jitter:
    """``seconds`` is None until two heartbeats were heard in a row. What came after a silence says nothing of jitter."""

    def __init__(self) -> None:
        self.seconds: Optional[float] = None

    def add(self, gap_s: float, interval_s: float, silence_s: float) -> None:
        """One more heartbeat, so long after the one before; ``silence_s``: from when on that is a silence."""
        if gap_s < silence_s:
            off_s = abs(gap_s - interval_s)
            self.seconds = off_s if self.seconds is None else self.seconds + (off_s - self.seconds) * _WEIGHT
