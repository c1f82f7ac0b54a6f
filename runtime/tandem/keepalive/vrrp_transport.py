"""Heartbeats as VRRPv3 advertisements on a raw socket (RFC 9568; needs CAP_NET_RAW)."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable
from typing import Any, Optional

from .._interfaces import having
from .._model import Heartbeat, Node
from ..wire import notes, vrrp
from .addresses import Kernel, Seen
from .complaints import Complaints, reason
from .events import Heard
from .transport import CannotOpen, Outgoing, Received, Receiver, answered_by_the_network, rank_of, reached_from, without_zone

_PACKET_BYTES_MAX = 2048
_PACKETS_AT_ONCE = 100
_IPV6_RECVHOPLIMIT, _IPV6_HOPLIMIT = 51, 52
_INTERFACE_GONE = {errno.ENODEV, errno.ENXIO, errno.ENETUNREACH, errno.EADDRNOTAVAIL}


class VrrpTransport:
    """One virtual router on this node's address. ``kernel`` names the interface that has it; ``open_socket`` is there for tests."""

    chatty = False  # RFC 9568 6.4.2: a backup sends nothing

    def __init__(
        self,
        me: Node,
        peers: tuple[Node, ...],
        settings: Heartbeat,
        receive: Receiver,
        *,
        kernel: Kernel,
        complaints: Complaints,
        open_socket: Callable[..., Any] = socket.socket,
    ) -> None:
        """Raises CannotOpen."""
        self._me, self._peers, self._settings, self._receive = me, peers, settings, receive
        self._kernel, self._complaints, self._open_socket = kernel, complaints, open_socket
        self._v6 = ":" in me.address
        self._own = without_zone(me.address)
        self._group = vrrp.MULTICAST_V6 if self._v6 else vrrp.MULTICAST_V4
        self._multicast = settings.mode == "multicast"
        self._joined: Optional[int] = None  # the interface on which the group is heard, once it was seen to have the address
        self._loop = asyncio.get_running_loop()
        try:
            self._sock = self._open()
        except PermissionError:
            raise CannotOpen(
                'heartbeat.transport is "vrrp", which needs a raw socket, and this service may not open one. '
                "Run it as root or with CAP_NET_RAW, or use transport: udp with a key."
            ) from None
        except OSError as error:
            raise CannotOpen(f"heartbeats cannot be received at {me.address}: {reason(error)}. Give this node's own address.") from None
        self._loop.add_reader(self._sock.fileno(), self._readable)

    def send(self, message: Outgoing) -> bool:
        destinations = [self._group] if self._multicast else [peer.address for peer in self._peers]
        addresses = vrrp.of_family(message.addresses, self._me.address)
        advertisement = vrrp.Advertisement(self._settings.virtual_router_id, message.priority, self._settings.interval_ms / 1000, addresses)
        left = False
        for destination in destinations:
            packet = vrrp.encode(advertisement, self._me.address, destination)
            error = self._try_to_send(packet, destination)
            if error is not None and error.errno in _INTERFACE_GONE and self._multicast and self._reopened():
                error = self._try_to_send(packet, destination)
            if error is not None:
                self._complaints.about(f"heartbeat to {destination} cannot be sent: {reason(error)}")
            left = left or error is None or answered_by_the_network(error)
        return left

    def send_note(self, node: str, note: notes.Note) -> None:
        for peer in self._peers:
            if peer.node == node:
                content = vrrp.encode_note(self._settings.virtual_router_id, notes.encode(note), self._own, without_zone(peer.address))
                error = self._try_to_send(content, peer.address)
                if error is not None:
                    self._complaints.about(f"a note to {peer.address} cannot be sent: {reason(error)}")

    def _try_to_send(self, packet: bytes, destination: str) -> Optional[OSError]:
        try:
            self._sock.sendto(packet, reached_from(self._me.address, destination, 0))
        except OSError as error:
            return error
        return None

    def _reopened(self) -> bool:
        """Whether the group could be joined again. A membership is an interface's: one that is taken away and put back is a new one, on which this
        node would be neither heard nor hear."""
        try:
            fresh = self._open()
        except OSError:
            return False
        self.close()
        self._sock, self._joined = fresh, None
        self._loop.add_reader(fresh.fileno(), self._readable)
        return True

    def problems(self) -> list[str]:
        return self._complaints.problems()

    def deaf(self, seen: Seen) -> str:
        if not self._multicast or seen.failure:
            return ""
        held = next(iter(seen.addresses.get(self._own, ())), None)
        if held is None:
            return f"no interface has {self._me.address}, so the group is not heard"
        if self._joined in (None, held.link):
            self._joined = held.link
            return ""
        return "" if self._reopened() else f"the group cannot be joined on the interface that has {self._me.address}"

    def park(self) -> None:
        """Nothing to let go of: every raw socket gets its own copy of what arrives (raw(7))."""

    def unpark(self) -> None:
        """Nothing was let go of."""

    def close(self) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    def _open(self) -> Any:
        sock = self._open_socket(socket.AF_INET6 if self._v6 else socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, vrrp.PROTOCOL)
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

    def _prepare_v4(self, sock: Any) -> None:
        own = socket.inet_aton(self._me.address)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, vrrp.HOP_LIMIT)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, vrrp.HOP_LIMIT)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        if self._multicast:
            # Not bound: a bound raw socket would not get what is sent to the group.
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(self._group) + own)
        else:
            sock.bind((self._me.address, 0))

    def _prepare_v6(self, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, vrrp.HOP_LIMIT)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, vrrp.HOP_LIMIT)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
        if self._multicast:
            index = self._interface()
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            group = socket.inet_pton(socket.AF_INET6, self._group) + struct.pack("@I", index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        # Also for the group, whose packets a bound IPv6 socket gets: else they would leave from the link-local address (RFC 6724 5, rule 2), by
        # which no peer knows this node, unless it is stated.
        sock.bind(reached_from(self._me.address, self._me.address, 0))

    def _interface(self) -> int:
        link = having(self._own, self._kernel.links(), self._kernel.addresses())
        if link is None:
            raise OSError(errno.EADDRNOTAVAIL, f"no interface has {self._me.address}")
        return link.index

    def _readable(self) -> None:
        for _packet in range(_PACKETS_AT_ONCE):
            try:
                packet, ancillary, _flags, sender = self._sock.recvmsg(_PACKET_BYTES_MAX, socket.CMSG_SPACE(4))
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._complaints.about(f"heartbeats cannot be received: {reason(error)}")
                return
            self._take(packet, ancillary, without_zone(str(sender[0])))

    def _take(self, packet: bytes, ancillary: list[tuple[int, int, bytes]], sender: str) -> None:
        try:
            if self._v6:
                hops = next((struct.unpack("@i", data)[0] for _level, kind, data in ancillary if kind == _IPV6_HOPLIMIT), 0)
                to_all = self._multicast and not vrrp.is_note(packet)
                source, destination, payload = sender, self._group if to_all else self._own, packet
            else:
                source, destination, hops, payload = vrrp.from_ip_packet(packet)
            if source == self._own or payload[1:2] != bytes([self._settings.virtual_router_id]):
                return  # our own, or another virtual router's on the same network
            peer = next((peer for peer in self._peers if without_zone(peer.address) == source), None)
            if peer is None:
                self._complain_of_stranger(source)
                return
            if hops != vrrp.HOP_LIMIT:
                raise vrrp.Malformed(
                    f"hop limit {hops}, so it has passed a router (RFC 9568 5.1.1.3), or a keepalived sent it without unicast_ttl 255"
                )
            if vrrp.is_note(payload):
                received = Received(peer.node, "", "", None, notes.decode(vrrp.decode_note(payload, source, destination)))
            else:
                advertisement = vrrp.decode(payload, source, destination)
                heard = Heard(advertisement.priority, advertisement.interval_s, rank_of(source))
                received = Received(peer.node, "resigned" if advertisement.priority == 0 else "active", "", heard)
        except (vrrp.Malformed, notes.BadNote) as error:
            known = any(without_zone(peer.address) == sender for peer in self._peers)
            text = f"an advertisement from {sender} was not taken: {error}"
            self._complaints.about_sender(sender, text, "" if known else "a stranger's advertisement")
            return
        self._complaints.heeded(sender)
        self._receive(received)

    def _complain_of_stranger(self, source: str) -> None:
        """Of any priority: it would take the addresses from nodes that obey it, and those who ask the virtual router's id may get two answers."""
        self._complaints.about_sender(
            source,
            f"advertisements of virtual router {self._settings.virtual_router_id} come from {source}, which is none of this load balancer's nodes; "
            "they are not taken. Stop them there, or give this load balancer another heartbeat.virtual_router_id.",
            "a stranger's advertisement",
        )
