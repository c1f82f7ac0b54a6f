"""Holds floating IPs on interfaces: adds them as leases, renews them, takes them off, announces them, and says what the kernel has of them."""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Optional, Protocol

from .._interfaces import Address, Link, holding_network
from .._model import FloatingIP
from ..log import say
from ..wire.announce import frames
from .complaints import reason

# Announced when taken, again after a while for switches that were still learning, and now and then for caches that lost it.
_REPEAT_S = (1.0, 5.0)
_REFRESH_S = 60.0
_EXPIRES_EARLY_S = 0.25  # the kernel (devinet.c, ADDRCONF_TIMER_FUZZ); it may be as much late


class NoInterface(Exception):
    """A floating IP that fits no interface of this node; ``str()`` is what the user reads."""


class Kernel(Protocol):
    """What is needed of ``Netlink``. Methods raise OSError."""

    def links(self) -> list[Link]: ...

    def addresses(self) -> list[Address]: ...

    def add(self, link: int, cidr: str, valid_s: int) -> None: ...

    def remove(self, link: int, cidr: str) -> None: ...


SendFrames = Callable[[Link, list[bytes]], None]


@dataclass(frozen=True)
class Plan:
    """Which floating IPs a node may have to hold, by name, and on which interface each; those with ``attach: none`` are on none."""

    wanted: dict[str, FloatingIP] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """The node's interfaces by index and its addresses by IP, as the kernel tells them at one moment; ``failure``: why it does not."""

    links: dict[int, Link] = field(default_factory=dict)
    addresses: dict[str, list[Address]] = field(default_factory=dict)
    failure: str = ""

    def holding(self, floating_ip: FloatingIP) -> Optional[Address]:
        return next((held for held in self.addresses.get(floating_ip.ip, ()) if held.cidr == floating_ip.address), None)

    def name_of(self, index: int) -> str:
        return self.links[index].name if index in self.links else "?"


def look(kernel: Kernel) -> Seen:
    """Asks the kernel once, for all that is shown of all load balancers."""
    try:
        links, addresses = kernel.links(), kernel.addresses()
    except OSError as error:
        return Seen(failure=f"the kernel does not tell which addresses this node has: {reason(error)}")
    by_ip: dict[str, list[Address]] = {}
    for address in addresses:
        by_ip.setdefault(address.ip, []).append(address)
    return Seen({link.index: link for link in links}, by_ip)


@dataclass
class _Held:
    floating_ip: FloatingIP
    link: Optional[Link]
    announce_at: list[float]
    trouble: str = ""  # why the kernel did not take it when it was last asked to


class Addresses:
    """The floating IPs of one load balancer on this node. Times are seconds of the election's clock.

    No method but ``find`` raises OSError: what the kernel refuses is logged, tried again at the next renewal, and told by ``problems``.
    """

    def __init__(self, lease_s: float, kernel: Kernel, send_frames: SendFrames) -> None:
        self.lease_for(lease_s)
        self._kernel = kernel
        self._send_frames = send_frames
        self.plan = Plan()
        self._held: dict[str, _Held] = {}
        self._renew_at = 0.0

    def lease_for(self, seconds: float) -> None:
        """How long an address may outlive a daemon that no longer renews it; from the next renewal on."""
        # Whole seconds, as the kernel counts them. Until ``seconds`` have passed no peer takes over, so it must not end before.
        self.lease_s = next(whole for whole in itertools.count(1) if whole - _renewed_after_s(whole) - _EXPIRES_EARLY_S >= seconds)

    def find(self, floating_ips: Iterable[FloatingIP], *, usable: bool) -> Plan:
        """The interface of each; changes nothing. Raises NoInterface, OSError.

        ``usable``: also where the interface that a new one belongs to would not take it. For a document that is being loaded; a service that
        starts had better do without that address than without all.
        """
        wanted = {floating_ip.name: floating_ip for floating_ip in floating_ips}
        attached = [floating_ip for floating_ip in wanted.values() if floating_ip.attach == "interface"]
        if not attached:
            return Plan(wanted)
        known, addresses = self._kernel.links(), self._kernel.addresses()
        links = {floating_ip.name: _interface_for(floating_ip, known, addresses) for floating_ip in attached}
        for floating_ip in attached if usable else ():
            obstacle = _obstacle(floating_ip, links[floating_ip.name])
            if obstacle and self.plan.wanted.get(floating_ip.name) != floating_ip:
                raise NoInterface(obstacle)
        return Plan(wanted, links)

    def use(self, plan: Plan) -> None:
        """Puts a plan in force; gives up what is held and is no longer in it, or is there in another way."""
        for name in [name for name, held in self._held.items() if plan.wanted.get(name) != held.floating_ip]:
            self._give_up(name)
        self.plan = plan

    def remove_leftovers(self) -> None:
        """Takes off what this node should not hold before an election says so, such as a killed daemon left it."""
        absent = [floating_ip for name, floating_ip in self.plan.wanted.items() if name not in self._held]
        take_off(self._kernel, absent, {name: link.index for name, link in self.plan.links.items()})

    def acquire(self, now: float) -> None:
        for name, floating_ip in self.plan.wanted.items():
            if name not in self._held:
                self._held[name] = _Held(floating_ip, self.plan.links.get(name), _announcements_from(now))
        self._renew_at = 0.0
        self.tend(now)

    def release(self) -> None:
        for name in list(self._held):
            self._give_up(name)

    def announce(self, now: float) -> None:
        """At once, and again as after ``acquire``: another node had them too, and who asked for them meanwhile may have its answer."""
        for held in self._held.values():
            held.announce_at = _announcements_from(now)
        self.tend(now)

    def follow(self, seen: Seen, now: float) -> None:
        """Interfaces as they are now. A hardware address that has changed is announced at once: caches of neighbours still have the former one."""
        changed = False
        for name, planned in list(self.plan.links.items()):
            link = seen.links.get(planned.index)
            if link is None or link == planned:
                continue
            self.plan.links[name] = link
            held = self._held.get(name)
            if held is not None:
                held.link = link
                if link.hardware != planned.hardware:
                    held.announce_at, changed = _announcements_from(now), True
        if changed:
            self.tend(now)

    def due(self) -> float:
        if not self._held:
            return math.inf
        return min([self._renew_at, *(held.announce_at[0] for held in self._held.values())])

    def tend(self, now: float) -> None:
        """Renews leases and sends the announcements that are due."""
        if self._held and now >= self._renew_at:
            self._renew_at = now + _renewed_after_s(self.lease_s)
            for held in self._held.values():
                self._put_on(held, now)
        for held in self._held.values():
            if held.announce_at[0] <= now:
                held.announce_at = [at for at in held.announce_at if at > now] or [now + _REFRESH_S]
                if held.link is not None and not held.trouble:  # who announces what it does not have draws traffic to nowhere
                    self._send_announcements(held.floating_ip, held.link)

    def view(self, seen: Seen, served: bool) -> list[dict[str, object]]:
        """What status shows. ``held``: the kernel has it; with ``attach: none``, which no interface need have, whether the proxy serves it."""
        shown: list[dict[str, object]] = []
        for name, floating_ip in sorted(self.plan.wanted.items()):
            link = self.plan.links.get(name)
            there = seen.holding(floating_ip) if link is not None else None
            interface = "" if link is None else link.name if there is None else seen.name_of(there.link)
            held = served if link is None else there is not None
            shown.append({"name": name, "address": floating_ip.address, "interface": interface, "held": held})
        return shown

    def problems(self, seen: Seen) -> list[str]:
        """Where this node's floating IPs are not as they should be, in sentences."""
        if seen.failure:
            return [seen.failure] if self.plan.links else []
        return [said for name in sorted(self.plan.links) for said in [self._problem(name, seen)] if said]

    def unreachable(self, seen: Seen) -> str:
        """Why neighbours would not reach a floating IP held here: its interface is not there, or has no carrier; "" where nothing is known."""
        if seen.failure:
            return ""
        for name, planned in sorted(self.plan.links.items()):
            # By name too: one that is taken away and put back is a new one to the kernel.
            link = seen.links.get(planned.index) or next((link for link in seen.links.values() if link.name == planned.name), None)
            if link is None:
                return f'{planned.name}, where floating IP "{name}" belongs, is not there'
            if not link.carrier:
                return f'{link.name}, where floating IP "{name}" belongs, has no carrier'
        return ""

    def _problem(self, name: str, seen: Seen) -> str:
        floating_ip, link = self.plan.wanted[name], self.plan.links[name]
        obstacle = _obstacle(floating_ip, seen.links.get(link.index, link))
        if obstacle:
            return obstacle
        there = seen.holding(floating_ip)
        if there is not None and name not in self._held:
            where = seen.name_of(there.link)
            return f'floating IP "{name}": this node is not active, but {where} has {floating_ip.address}. Take it off there (ip address del).'
        if there is None and name in self._held:
            why = f" ({self._held[name].trouble})" if self._held[name].trouble else ""
            return f'floating IP "{name}": this node is active, but {link.name} does not have {floating_ip.address}{why}.'
        return ""

    def _put_on(self, held: _Held, now: float) -> None:
        if held.link is None:
            return
        error = self._add(held.link, held.floating_ip)
        if error is not None and error.errno == errno.ENODEV and self._find_again(held):
            held.trouble = reason(error)
            error = self._add(held.link, held.floating_ip)
        if error is None:
            if held.trouble:
                held.trouble = ""
                held.announce_at.insert(0, now)
        elif held.trouble != reason(error):
            held.trouble = reason(error)
            say("error", f"cannot hold {held.floating_ip.address} on {held.link.name}: {held.trouble}")

    def _add(self, link: Link, floating_ip: FloatingIP) -> Optional[OSError]:
        try:
            self._kernel.add(link.index, floating_ip.address, self.lease_s)
        except OSError as error:
            return error
        return None

    def _find_again(self, held: _Held) -> bool:
        """Whether the address has another interface by now: one that is taken away and put back is a new one to the kernel."""
        before = held.link
        with contextlib.suppress(NoInterface, OSError):
            held.link = self.plan.links[held.floating_ip.name] = _interface_for(held.floating_ip, self._kernel.links(), self._kernel.addresses())
        return held.link != before

    def _give_up(self, name: str) -> None:
        held = self._held.pop(name)
        if held.link is not None:
            _remove(self._kernel, held.link.index, held.floating_ip.address, held.link.name)

    def _send_announcements(self, floating_ip: FloatingIP, link: Link) -> None:
        if len(link.hardware) != 6:
            return  # not Ethernet: loopback and tunnels have no neighbours to tell
        try:
            self._send_frames(link, frames(floating_ip.ip, link.hardware))
        except OSError as error:
            say("error", f"cannot announce {floating_ip.ip} on {link.name}: {reason(error)}")


def _renewed_after_s(lease_s: int) -> float:
    return min(1.0, lease_s / 4)


def _announcements_from(now: float) -> list[float]:
    return [now, *(now + after for after in _REPEAT_S)]


def take_off(kernel: Kernel, floating_ips: Iterable[FloatingIP], planned: dict[str, int]) -> bool:
    """Takes floating IPs off this node: on the interface that is ``planned`` for it whoever put it there, elsewhere if it is a lease, which only
    this daemon makes. Whether all went well; what did not is logged."""
    wanted = {floating_ip.address: floating_ip.name for floating_ip in floating_ips if floating_ip.attach == "interface"}
    if not wanted:
        return True
    seen = look(kernel)
    if seen.failure:
        say("error", f"{seen.failure}; leases of this node run out by themselves")
        return False
    there = [held for same in seen.addresses.values() for held in same if held.cidr in wanted]
    ours = [held for held in there if held.valid_s is not None or planned.get(wanted[held.cidr]) == held.link]
    removed = [_remove(kernel, held.link, held.cidr, seen.name_of(held.link)) for held in ours]
    return all(removed)


def _remove(kernel: Kernel, link: int, cidr: str, interface: str) -> bool:
    try:
        kernel.remove(link, cidr)
    except OSError as error:
        if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):  # it is not there, which is what was wanted
            say("error", f"cannot take {cidr} off {interface}: {reason(error)}")
            return False
    return True


def send_frames(link: Link, made: list[bytes]) -> None:
    """Sends whole Ethernet frames on an interface (packet(7); needs CAP_NET_RAW). Raises OSError."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((link.name, 0))
        for frame in made:
            sock.send(frame)


def _interface_for(floating_ip: FloatingIP, links: list[Link], addresses: list[Address]) -> Link:
    if floating_ip.interface:
        named = next((link for link in links if link.name == floating_ip.interface), None)
        if named is None:
            known = ", ".join(sorted(link.name for link in links))
            raise NoInterface(
                f'floating IP "{floating_ip.name}": interface is "{floating_ip.interface}", but this node has no such interface. '
                f"Its interfaces are {known}. Correct the name, or leave it out to have it found by network."
            )
        return named
    found = holding_network(floating_ip.ip, links, addresses)
    if found is None:
        names = {link.index: link.name for link in links}
        networks = ", ".join(f"{held.cidr} on {names.get(held.link, '?')}" for held in addresses)
        raise NoInterface(
            f'floating IP "{floating_ip.name}": address is "{floating_ip.address}", which is outside every interface\'s network. '
            f"This node has {networks}. Correct the address, name an interface, or use attach: none."
        )
    return found


def _obstacle(floating_ip: FloatingIP, link: Link) -> str:
    """Why an interface would not take an address; "" where nothing is known to be in its way."""
    if ":" not in floating_ip.address or link.ipv6:
        return ""
    return (
        f'floating IP "{floating_ip.name}": address is "{floating_ip.address}", but IPv6 is disabled on {link.name}, so this node cannot hold it. '
        f"Enable it there (sysctl net.ipv6.conf.{link.name}.disable_ipv6=0), or name another interface."
    )
