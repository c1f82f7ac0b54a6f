"""Floating IPs of a load balancer that was handed over, kept for the connections that stand: local, and on no interface with neighbours."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
from collections.abc import Iterable, Sequence
from typing import Optional

from .._interfaces import Address, Link
from ..log import say
from ..wire.notes import ROUTES_MAX
from .addresses import Kernel, Plan, Seen
from .complaints import reason
from .move_rules import Towards

_LEASE_S = 3  # should the service end without a word
_LOOPBACK = "lo"


class Kept:
    """No method raises OSError: what the kernel refuses is logged. What it does not take off ends with its lease."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._link: Optional[int] = None
        self._there: tuple[str, ...] = ()

    @property
    def there(self) -> bool:
        return bool(self._there)

    def put(self, ips: Sequence[str]) -> None:
        self._there = tuple(alone(ip) for ip in ips)
        self.renew()

    def renew(self) -> None:
        try:
            self._link = loopback(self._kernel.links()) if self._link is None else self._link
            if self._link is not None:
                for cidr in self._there:
                    self._kernel.add(self._link, cidr, _LEASE_S)
        except OSError as error:
            say("error", f"the addresses of a load balancer that was handed over cannot be kept: {reason(error)}")

    def remove(self) -> None:
        there, self._there = self._there, ()
        if self._link is not None:
            take_off(self._kernel, self._link, there)


def alone(ip: str) -> str:
    """An address as it is kept: with no network around it."""
    return f"{ip}/{ipaddress.ip_address(ip).max_prefixlen}"


def loopback(links: Iterable[Link]) -> Optional[int]:
    return next((link.index for link in links if link.name == _LOOPBACK), None)


def take_off(kernel: Kernel, link: int, cidrs: Iterable[str]) -> None:
    for cidr in cidrs:
        try:
            kernel.remove(link, cidr)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
                say("error", f"cannot take {cidr} off {_LOOPBACK}: {reason(error)}")


# The way from one node to the other


def routes(plan: Plan, seen: Seen) -> tuple[dict[str, str], tuple[tuple[str, str], ...], str]:
    """Of the node that hands over: each floating IP and the node's own address in its network; all of these, each with its hardware address; and why
    there is no such way, or ""."""
    if len(plan.links) < len(plan.wanted):
        return {}, (), "a floating IP is on no interface of the nodes (attach: none)"
    floating = {one.ip for one in plan.wanted.values()}
    own, found = {}, set()
    for name, link in plan.links.items():
        ip = plan.wanted[name].ip
        near = _neighbour_of(ip, link, (held for same in seen.addresses.values() for held in same), floating)
        if near is None or len(link.hardware) != 6:
            return {}, (), f"{link.name} has no address of this node in the network of {ip}, or no neighbours"
        own[ip] = near
        found.add((near, link.hardware.hex(":")))
    if not found or len(found) > ROUTES_MAX:
        return {}, (), "there is no floating IP" if not found else f"the floating IPs are in more than {ROUTES_MAX} networks"
    return own, tuple(sorted(found)), ""


def towards(plan: Plan, seen: Seen, offered: Iterable[tuple[str, str]]) -> tuple[list[Towards], str]:
    """Of the node that takes over: for each floating IP the way to the other node, by the addresses that it has named; and why there is none, or
    ""."""
    if len(plan.links) < len(plan.wanted):
        return [], "a floating IP is on no interface of the nodes (attach: none)"
    usable = [(address, hardware) for address, hardware in offered if _is_address(address) and _is_hardware(hardware)]
    found = []
    for name, link in plan.links.items():
        ip = plan.wanted[name].ip
        networks = [ipaddress.ip_interface(held.cidr).network for same in seen.addresses.values() for held in same if held.link == link.index]
        near = next((one for one in usable if any(_in(one[0], network) and _in(ip, network) for network in networks)), None)
        if near is None or '"' in link.name:
            return [], f"on {link.name} there is no network that has {ip} and an address of the other node"
        found.append(Towards(ip, link.name, *near))
    return found, ""


def _neighbour_of(ip: str, link: Link, addresses: Iterable[Address], floating: set[str]) -> Optional[str]:
    """The node's own address on an interface, in the network of a floating IP; rather one for ever than a lease, which may be another floating IP."""
    there = [held for held in addresses if held.link == link.index and held.ip not in floating]
    near = [held for held in there if _in(ip, ipaddress.ip_interface(held.cidr).network)]
    return min(near, key=lambda held: held.valid_s is not None).ip if near else None


def _in(ip: str, network: object) -> bool:
    return ipaddress.ip_address(ip) in network  # type: ignore[operator]  # both kinds of networks have it, without a common type


def _is_address(text: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(text)
        return "%" not in text
    return False


def _is_hardware(text: str) -> bool:
    parts = text.split(":")
    return len(parts) == 6 and all(len(part) == 2 and set(part) <= set("0123456789abcdef") for part in parts)
