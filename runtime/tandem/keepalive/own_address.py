"""Announces the node's own address where it lies at another hardware address than before, as after its interface was replaced.

Peers send to it by unicast. One whose cache still has the former hardware address is not heard until that ends, and whoever hears nobody takes over.
"""

from __future__ import annotations

from typing import Optional

from ..log import say
from ..wire.announce import frames
from .addresses import Seen, SendFrames
from .complaints import reason
from .transport import without_zone


class OwnAddress:
    def __init__(self, send_frames: SendFrames) -> None:
        self._send_frames = send_frames
        self._former: Optional[tuple[str, bytes]] = None

    def look(self, address: str, seen: Seen) -> None:
        """To be called whenever something may have happened to an interface."""
        ip = without_zone(address)
        held = next(iter(seen.addresses.get(ip, ())), None)
        link = seen.links.get(held.link) if held is not None else None
        if link is None or not link.hardware:
            return
        former, self._former = self._former, (ip, link.hardware)
        if former is None or former[0] != ip or former[1] == link.hardware:
            return
        try:
            self._send_frames(link, frames(ip, link.hardware))
        except OSError as error:
            say("error", f"cannot announce {ip} on {link.name}: {reason(error)}")
