"""The sockets heartbeats pass through: VRRP on raw sockets, or authenticated UDP. What arrives is handed on as ``Received``."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .._model import Heartbeat, Node, endpoints
from ..log import say
from . import udp, vrrp
from .election import Heard, State
from .netlink import Netlink

_PACKET_BYTES_MAX = 2048
_IPV6_RECVHOPLIMIT, _IPV6_HOPLIMIT = 51, 52
_DIGEST_SHOWN = 16


@dataclass(frozen=True)
class Received:
    """A heartbeat of a peer: who, in which state, and as an event of the election if it is an active node's."""

    node: str
    state: str
    digest: str
    heard: Heard | None


@dataclass(frozen=True)
class Outgoing:
    """What a heartbeat of ours says."""

    priority: int
    state: State
    digest: str
    addresses: tuple[str, ...]


class CannotOpen(Exception):
    """The heartbeats' sockets cannot be had; ``str()`` is what the user reads."""


class Transport(Protocol):
    """Sends one heartbeat to all peers; ``chatty`` says whether standby nodes are to send too."""

    chatty: bool

    def send(self, message: Outgoing) -> None: ...

    def close(self) -> None: ...


Receiver = Callable[[Received], None]


class VrrpTransport:
    """VRRPv3 on a raw socket bound to this node's address (needs CAP_NET_RAW)."""

    chatty = False  # RFC 9568 6.4.2: a backup sends nothing

    def __init__(self, me: Node, peers: tuple[Node, ...], settings: Heartbeat, receive: Receiver) -> None:
        self._me, self._peers, self._settings, self._receive = me, peers, settings, receive
        self._v6 = ":" in me.address
        self._group = vrrp.MULTICAST_V6 if self._v6 else vrrp.MULTICAST_V4
        self._loop = asyncio.get_running_loop()
        try:
            self._sock = self._open()
        except PermissionError:
            raise CannotOpen(
                'heartbeat.transport is "vrrp", which needs a raw socket, and this service may not open one. '
                "Run it as root or with CAP_NET_RAW, or use transport: udp with a key."
            ) from None
        except OSError as error:
            raise CannotOpen(f"heartbeats cannot be received at {me.address}: {error.strerror}. Give this node's own address.") from None
        self._loop.add_reader(self._sock.fileno(), self._readable)

    def send(self, message: Outgoing) -> None:
        destinations = [self._group] if self._settings.mode == "multicast" else [peer.address for peer in self._peers]
        addresses = vrrp.of_family(message.addresses, self._me.address)
        advertisement = vrrp.Advertisement(self._settings.virtual_router_id, message.priority, self._settings.interval_ms / 1000, addresses)
        for destination in destinations:
            try:
                self._sock.sendto(vrrp.encode(advertisement, self._me.address, destination), (destination, 0))
            except OSError as error:
                complain(f"heartbeat to {destination} cannot be sent: {error.strerror}")

    def close(self) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    def _open(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if self._v6 else socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, vrrp.PROTOCOL)
        try:
            if self._v6:
                self._prepare_v6(sock)
            else:
                self._prepare_v4(sock)
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
        return sock

    def _prepare_v4(self, sock: socket.socket) -> None:
        own = socket.inet_aton(self._me.address)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, vrrp.HOP_LIMIT)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, vrrp.HOP_LIMIT)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        if self._settings.mode == "multicast":
            # Not bound: a bound raw socket would not get what is sent to the group.
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(self._group) + own)
        else:
            sock.bind((self._me.address, 0))

    def _prepare_v6(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, vrrp.HOP_LIMIT)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, vrrp.HOP_LIMIT)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
        if self._settings.mode == "multicast":
            index = _link_of(self._me.address)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            group = socket.inet_pton(socket.AF_INET6, self._group) + struct.pack("@I", index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        else:
            sock.bind((self._me.address, 0))

    def _readable(self) -> None:
        for _packet in range(100):
            try:
                packet, ancillary, _flags, sender = self._sock.recvmsg(_PACKET_BYTES_MAX, socket.CMSG_SPACE(4))
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                complain(f"heartbeats cannot be received: {error.strerror}")
                return
            try:
                self._take(packet, ancillary, str(sender[0]))
            except vrrp.Malformed as error:
                complain(f"an advertisement from {sender[0]} was not taken: {error}")

    def _take(self, packet: bytes, ancillary: list[tuple[int, int, bytes]], sender: str) -> None:
        if self._v6:
            source = sender.partition("%")[0]
            hops = next((struct.unpack("@i", data)[0] for _level, kind, data in ancillary if kind == _IPV6_HOPLIMIT), 0)
            destination, payload = (self._group if self._settings.mode == "multicast" else self._me.address), packet
        else:
            source, destination, hops, payload = vrrp.from_ip_packet(packet)
        if source == self._me.address:
            return
        if len(payload) > 1 and payload[1] != self._settings.virtual_router_id:
            return  # another virtual router's on the same network
        if hops != vrrp.HOP_LIMIT:
            raise vrrp.Malformed(f"hop limit {hops}, so it has passed a router (RFC 9568 5.1.1.3)")
        peer = next((peer for peer in self._peers if peer.address == source), None)
        if peer is None and self._settings.mode == "unicast":
            raise vrrp.Malformed("its sender is none of this load balancer's nodes")
        advertisement = vrrp.decode(payload, source, destination)
        heard = Heard(advertisement.priority, advertisement.interval_s, rank_of(source))
        name = peer.node if peer is not None else source
        self._receive(Received(name, "resigned" if advertisement.priority == 0 else "active", "", heard))


class UdpTransport(asyncio.DatagramProtocol):
    """Authenticated heartbeats between the nodes' addresses; needs no privilege."""

    chatty = True

    def __init__(self, me: Node, peers: tuple[Node, ...], settings: Heartbeat, receive: Receiver, *, load_balancer: str, key: bytes) -> None:
        self._me, self._peers, self._settings, self._receive = me, peers, settings, receive
        self._load_balancer, self._key = load_balancer, key
        self._session, self._number = time.time_ns(), 0
        self._guard = udp.ReplayGuard(10 * settings.dead_after * settings.interval_ms / 1000)
        self._loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in me.address else socket.AF_INET
        self._sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            self._sock.bind((me.address, settings.port))
        except OSError as error:
            self._sock.close()
            raise CannotOpen(
                f"heartbeat.port is {settings.port}, but {endpoints([me.address], settings.port)[0]} cannot be used: {error.strerror}. "
                "Give another port, or this node's own address."
            ) from None
        self._sock.setblocking(False)
        self._loop.add_reader(self._sock.fileno(), self._readable)

    def send(self, message: Outgoing) -> None:
        self._number += 1
        heartbeat = udp.Heartbeat(
            self._load_balancer,
            self._me.node,
            message.state.value,
            message.priority,
            self._settings.interval_ms,
            message.digest[:_DIGEST_SHOWN],
            self._session,
            self._number,
        )
        packet = udp.encode(heartbeat, self._key)
        for peer in self._peers:
            try:
                self._sock.sendto(packet, (peer.address, self._settings.port))
            except ConnectionRefusedError:
                continue  # the peer's daemon does not run: an earlier packet's ICMP answer
            except OSError as error:
                complain(f"heartbeat to {peer.address} cannot be sent: {error.strerror}")

    def close(self) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    def _readable(self) -> None:
        for _packet in range(100):
            try:
                packet, sender = self._sock.recvfrom(_PACKET_BYTES_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionRefusedError:
                continue
            except OSError as error:
                complain(f"heartbeats cannot be received: {error.strerror}")
                return
            try:
                self._take(packet)
            except (udp.Rejected, json.JSONDecodeError) as error:
                complain(f"a heartbeat from {sender[0]} was not taken: {error}")

    def _take(self, packet: bytes) -> None:
        heartbeat = udp.decode(packet, self._key)
        peer = next((peer for peer in self._peers if peer.node == heartbeat.node), None)
        if heartbeat.load_balancer != self._load_balancer or peer is None:
            raise udp.Rejected(f"it is {heartbeat.node}'s for load balancer {heartbeat.load_balancer}")
        self._guard.check(heartbeat, time.monotonic())
        active = heartbeat.state == State.ACTIVE.value
        heard = Heard(heartbeat.priority, heartbeat.interval_ms / 1000, rank_of(peer.address)) if active else None
        self._receive(Received(peer.node, heartbeat.state, heartbeat.digest, heard))


def rank_of(address: str) -> bytes:
    """An address as bytes, for breaking ties."""
    return ipaddress.ip_address(address).packed


_complained: dict[str, float] = {}
_COMPLAIN_S = 10.0


def complain(text: str) -> None:
    """Logs a warning, the same one at most every ten seconds: heartbeats come several times a second."""
    now = time.monotonic()
    if now - _complained.get(text, -_COMPLAIN_S) >= _COMPLAIN_S:
        if len(_complained) > 1000:
            _complained.clear()
        _complained[text] = now
        say("warning", text)


def _link_of(address: str) -> int:
    netlink = Netlink()
    try:
        for held in netlink.addresses():
            if held.cidr.partition("/")[0] == address:
                return held.link
    finally:
        netlink.close()
    raise OSError(99, f"no interface has {address}")
