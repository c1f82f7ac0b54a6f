"""Holds floating IPs on interfaces: adds them as leases, renews them, takes them off, announces them."""

from __future__ import annotations

import contextlib
import errno
import math
import socket
from dataclasses import dataclass
from typing import Optional

from .._model import FloatingIP
from ..log import say
from .announce import frames
from .netlink import Link, Netlink, holding_network

# Announced when taken, again after a while for switches that were still learning, and now and then for caches that lost it.
_REPEAT_S = (1.0, 5.0)
_REFRESH_S = 60.0


class NoInterface(Exception):
    """A floating IP that fits no interface of this node; ``str()`` is what the user reads."""


@dataclass
class _Held:
    floating_ip: FloatingIP
    link: Optional[Link]
    announce_at: list[float]


class Addresses:
    """The floating IPs of one load balancer on this node. Times are seconds of the election's clock."""

    def __init__(self, lease_s: float) -> None:
        self.lease_for(lease_s)
        self._wanted: dict[str, FloatingIP] = {}
        self._links: dict[str, Link] = {}
        self._held: dict[str, _Held] = {}
        self._renew_at = 0.0
        self._netlink: Optional[Netlink] = None

    def lease_for(self, seconds: float) -> None:
        """How long an address may outlive a daemon that no longer renews it; from the next renewal on."""
        self.lease_s = max(2, math.ceil(seconds) + 1)  # the kernel counts whole seconds, and expires up to one late

    def plan(self, floating_ips: list[FloatingIP]) -> None:
        """Finds the interface of each; changes nothing on the node but addresses that a former life of this daemon left behind.

        Raises NoInterface, leaving the former plan in force.
        """
        links: dict[str, Link] = {}
        for floating_ip in floating_ips:
            if floating_ip.attach == "interface":
                links[floating_ip.name] = self._interface_for(floating_ip)
        wanted = {floating_ip.name: floating_ip for floating_ip in floating_ips}
        dropped = [name for name, held in self._held.items() if wanted.get(name) != held.floating_ip]
        for name in dropped:
            self._give_up(name)
        self._wanted, self._links = wanted, links

    def remove_leftovers(self) -> None:
        """Takes off what this node should not hold before an election says so."""
        for name, link in self._links.items():
            if name not in self._held:
                self._take_off(self._wanted[name], link)

    def acquire(self, now: float) -> None:
        for name, floating_ip in self._wanted.items():
            if name not in self._held:
                self._held[name] = _Held(floating_ip, self._links.get(name), [now, *(now + after for after in _REPEAT_S)])
        self._renew_at = 0.0
        self.tend(now)

    def release(self) -> None:
        for name in list(self._held):
            self._give_up(name)

    def announce(self, now: float) -> None:
        for held in self._held.values():
            held.announce_at.insert(0, now)
        self.tend(now)

    def due(self) -> float:
        if not self._held:
            return math.inf
        return min([self._renew_at, *(held.announce_at[0] for held in self._held.values())])

    def tend(self, now: float) -> None:
        """Renews leases and sends the announcements that are due."""
        if self._held and now >= self._renew_at:
            for held in self._held.values():
                self._put_on(held)
            self._renew_at = now + min(1.0, self.lease_s / 4)
        for held in self._held.values():
            if held.announce_at[0] <= now:
                held.announce_at = [at for at in held.announce_at if at > now] or [now + _REFRESH_S]
                if held.link is not None:
                    self._send_announcements(held.floating_ip, held.link)

    def view(self) -> list[dict[str, object]]:
        """What status shows."""
        return [
            {
                "name": name,
                "address": floating_ip.address,
                "interface": self._links[name].name if name in self._links else "",
                "held": name in self._held,
            }
            for name, floating_ip in sorted(self._wanted.items())
        ]

    def close(self) -> None:
        self.release()
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def _kernel(self) -> Netlink:
        if self._netlink is None:
            self._netlink = Netlink()
        return self._netlink

    def _interface_for(self, floating_ip: FloatingIP) -> Link:
        links, addresses = self._kernel().links(), self._kernel().addresses()
        by_index = {link.index: link.name for link in links}
        if floating_ip.interface:
            named = next((link for link in links if link.name == floating_ip.interface), None)
            if named is None:
                known = ", ".join(sorted(by_index.values()))
                raise NoInterface(
                    f'floating IP "{floating_ip.name}": interface is "{floating_ip.interface}", but this node has no such interface. '
                    f"Its interfaces are {known}. Correct the name, or leave it out to have it found by network."
                )
            return named
        found = holding_network(floating_ip.ip, links, addresses)
        if found is None:
            networks = ", ".join(f"{held.cidr} on {by_index.get(held.link, '?')}" for held in addresses)
            raise NoInterface(
                f'floating IP "{floating_ip.name}": address is "{floating_ip.address}", which is outside every interface\'s network. '
                f"This node has {networks}. Correct the address, name an interface, or use attach: none."
            )
        return found

    def _put_on(self, held: _Held) -> None:
        if held.link is None:
            return
        try:
            self._kernel().add(held.link.index, held.floating_ip.address, self.lease_s)
        except OSError as error:
            if error.errno == errno.ENODEV and self._find_again(held):
                self._put_on(held)
                return
            say("error", f"cannot hold {held.floating_ip.address} on {held.link.name}: {error.strerror}")

    def _find_again(self, held: _Held) -> bool:
        """Whether the address has another interface by now: one that is taken away and put back is a new one to the kernel."""
        before = held.link
        with contextlib.suppress(NoInterface):
            held.link = self._links[held.floating_ip.name] = self._interface_for(held.floating_ip)
            held.announce_at.insert(0, 0.0)
        return held.link != before

    def _give_up(self, name: str) -> None:
        held = self._held.pop(name)
        if held.link is not None:
            self._take_off(held.floating_ip, held.link)

    def _take_off(self, floating_ip: FloatingIP, link: Link) -> None:
        try:
            self._kernel().remove(link.index, floating_ip.address)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):  # it is not there, which is what was wanted
                say("error", f"cannot take {floating_ip.address} off {link.name}: {error.strerror}")

    def _send_announcements(self, floating_ip: FloatingIP, link: Link) -> None:
        if len(link.hardware) != 6:
            return  # not Ethernet: loopback and tunnels have no neighbours to tell
        try:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
                sock.bind((link.name, 0))
                for frame in frames(floating_ip.ip, link.hardware):
                    sock.send(frame)
        except OSError as error:
            say("error", f"cannot announce {floating_ip.ip} on {link.name}: {error.strerror}")
