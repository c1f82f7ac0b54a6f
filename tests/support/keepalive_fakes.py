"""What keepalive has of the world, made up: a kernel, heartbeats, a proxy. Each notes what was asked of it, and fails as it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os

from tandem._interfaces import Address, Link
from tandem._model import FloatingIP, Heartbeat, LoadBalancer, Node
from tandem.keepalive.events import Heard
from tandem.keepalive.instance import Outside
from tandem.keepalive.settings import Settings
from tandem.keepalive.transport import CannotOpen, Received

LO = Link(1, "lo", bytes(6))
ETH0, ETH1 = Link(2, "eth0", b"\2\0\0\0\0\1"), Link(3, "eth1", b"\2\0\0\0\0\2")
VIP = FloatingIP("vip", "192.0.2.100/24")
VIP6 = FloatingIP("vip6", "2001:db8::100/64")
ME, OTHER = Node("lb-a", "192.0.2.11"), Node("lb-b", "192.0.2.12")


def refused(number):
    return OSError(number, os.strerror(number))


def fail_with(error):
    """Raises what a test wants to see raised; None: nothing."""
    if isinstance(error, Exception):
        raise error


class FakeKernel:
    """eth0 is in 192.0.2.0/24 and 2001:db8::/64. ``refuses``: operation to the errno it fails with."""

    def __init__(self):
        self.known = {1: LO, 2: ETH0}
        self.there = [Address(2, "192.0.2.11/24"), Address(2, "2001:db8::11/64")]
        self.refuses = {}
        self.asked = []

    def _ask(self, what, *details):
        self.asked.append((what, *details))
        if what in self.refuses:
            raise refused(self.refuses[what])

    def links(self):
        self._ask("links")
        return list(self.known.values())

    def addresses(self):
        self._ask("addresses")
        return list(self.there)

    def add(self, link, cidr, valid_s):
        self._ask("add", link, cidr, valid_s)
        if link not in self.known:
            raise refused(errno.ENODEV)
        if ":" in cidr and not self.known[link].ipv6:
            raise refused(errno.EACCES)  # as Linux does where disable_ipv6 is 1
        self.there = [held for held in self.there if (held.link, held.cidr) != (link, cidr)] + [Address(link, cidr, valid_s)]

    def remove(self, link, cidr):
        self._ask("remove", link, cidr)
        if not any((held.link, held.cidr) == (link, cidr) for held in self.there):
            raise refused(errno.EADDRNOTAVAIL)
        self.there = [held for held in self.there if (held.link, held.cidr) != (link, cidr)]

    def leases(self):
        return sorted(held.cidr for held in self.there if held.valid_s is not None)

    def did(self, what):
        return [details for kind, *details in self.asked if kind == what]


class FakeTransport:
    """A port of ``ports``, the set of those in use, is held while it is open and not parked."""

    def __init__(self, settings, receive, ports, chatty):
        self.settings, self.receive, self.ports, self.chatty = settings, receive, ports, chatty
        self.port = settings.load_balancer.heartbeat.port
        self.sent, self.error, self.open = [], None, True
        self.notes = []
        self.deafness = ""
        self.leaves = True  # whether what is sent gets out
        self._take()

    def _take(self):
        if self.port in self.ports:
            raise CannotOpen(f"heartbeat.port is {self.port}, but it is taken")
        self.ports.add(self.port)
        self.listens = True

    def send(self, message):
        fail_with(self.error)
        self.sent.append((message.priority, message.state.value))
        return self.leaves

    def send_note(self, node, note):
        self.notes.append((node, note))

    def deaf(self, _seen):
        return self.deafness

    def problems(self):
        return []

    def park(self):
        if self.listens:
            self.ports.remove(self.port)
        self.listens = False

    def unpark(self):
        self._take()

    def close(self):
        assert self.open
        self.park()
        self.open = False

    def hear(self, node="lb-b", priority=100, active=True, digest=""):
        """``digest``: that of its document, as far as it is sent; without one, ours."""
        heard = Heard(priority, 0.3, b"\xc0\x00\x02\x0c") if active else None
        self.receive(Received(node, "active" if active else "standby", digest or self.settings.digest[:16], heard))


class FakeNft:
    """Notes what is put in force; ``failure`` is why it cannot be."""

    def __init__(self):
        self.applied, self.failure = [], ""

    async def apply(self, text, *, check=False):
        if not self.failure and not check:
            self.applied.append(text)
        return self.failure


class FakeProxy:
    """``left``: clients of what was handed over, how many each time that it is asked, the last for ever."""

    def __init__(self):
        self.told, self.left, self.finished, self.quiesced = [], [0], [], []

    async def kept(self, load_balancer, *, finish=False):
        if finish:
            self.finished.append(load_balancer)
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]

    async def quiesce(self, on, *, cut=False):
        self.quiesced.append((on, cut))

    def set_active(self, load_balancer, active):
        self.told.append((load_balancer, active))

    def serves(self, load_balancer):
        return (load_balancer, True) in self.told[-1:]


class World:
    """All of it: ``outside`` for an instance or a service, and what it is made of. The clock is the running loop's."""

    def __init__(self, chatty=True):
        self.kernel, self.proxy, self.ports, self.transports, self.frames = FakeKernel(), FakeProxy(), set(), [], []
        self.frames_error = self.clock_error = None
        self.chatty = chatty
        self.nft = FakeNft()
        self.outside = Outside(self.kernel, self.clock, self._send_frames, self._watch_links, self._open, self.nft)

    def clock(self):
        fail_with(self.clock_error)
        return asyncio.get_running_loop().time()

    def _send_frames(self, link, frames):
        fail_with(self.frames_error)
        self.frames.append((link.name, len(frames)))

    def _watch_links(self, on_change):
        self.links_changed = on_change
        return contextlib.ExitStack()

    def _open(self, settings, receive, _kernel, _clock):
        made = FakeTransport(settings, receive, self.ports, self.chatty)
        self.transports.append(made)
        return made


def load_balancer(name="edge", port=7694, floating_ips=("vip",), **heartbeat):
    return LoadBalancer(
        name, ME, OTHER, floating_ips=tuple(floating_ips), heartbeat=Heartbeat(port=port, virtual_router_id=port % 200 + 1, **heartbeat)
    )


def settings(*floating_ips, me=ME, digest="aa", **options):
    floating_ips = floating_ips or (VIP,)
    return Settings(load_balancer(floating_ips=[one.name for one in floating_ips], **options), floating_ips, me, b"key", digest)
