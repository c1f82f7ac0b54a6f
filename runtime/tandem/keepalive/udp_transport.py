"""Heartbeats as authenticated UDP messages between the nodes' own addresses; needs no privilege."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

from .._model import Heartbeat, Node, endpoints
from ..wire import notes, udp
from .addresses import Seen
from .clock import Clock
from .complaints import Complaints, reason
from .events import Heard, State
from .transport import CannotOpen, Outgoing, Received, Receiver, answered_by_the_network, rank_of, reached_from

_PACKET_BYTES_MAX = 2048
_PACKETS_AT_ONCE = 100
_DIGEST_SHOWN = 16


class UdpTransport:
    """The messages of one load balancer. ``session`` (for replay protection) must grow from start to start; ``open_socket`` is there for tests."""

    chatty = True

    def __init__(
        self,
        me: Node,
        peers: tuple[Node, ...],
        settings: Heartbeat,
        receive: Receiver,
        *,
        load_balancer: str,
        key: bytes,
        clock: Clock,
        complaints: Complaints,
        session: Callable[[], int] = time.time_ns,
        open_socket: Callable[..., Any] = socket.socket,
    ) -> None:
        """Raises CannotOpen."""
        self._me, self._peers, self._settings, self._receive = me, peers, settings, receive
        self._load_balancer, self._key = load_balancer, key
        self._clock, self._complaints, self._open_socket = clock, complaints, open_socket
        self._session, self._number = session(), 0
        self._guard = udp.ReplayGuard(10 * settings.dead_after * settings.interval_ms / 1000)
        self._loop = asyncio.get_running_loop()
        self._listen()

    def send(self, message: Outgoing) -> bool:
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
        left = False
        for peer in self._peers:
            try:
                self._sock.sendto(packet, reached_from(self._me.address, peer.address, self._settings.port))
            except ConnectionRefusedError:
                pass  # the peer's daemon does not run: an earlier packet's ICMP answer
            except OSError as error:
                self._complaints.about(f"heartbeat to {peer.address} cannot be sent: {reason(error)}")
                if not answered_by_the_network(error):
                    continue
            left = True
        return left

    def send_note(self, node: str, note: notes.Note) -> None:
        self._number += 1
        cover = udp.NoteCover(self._load_balancer, self._me.node, self._session, self._number, notes.encode(note).decode())
        for peer in self._peers:
            if peer.node == node:
                try:
                    self._sock.sendto(udp.encode(cover, self._key), reached_from(self._me.address, peer.address, self._settings.port))
                except OSError as error:
                    self._complaints.about(f"a note to {peer.address} cannot be sent: {reason(error)}")

    def problems(self) -> list[str]:
        return self._complaints.problems()

    def deaf(self, seen: Seen) -> str:
        return ""  # bound to the node's address, wherever that is

    def park(self) -> None:
        """Gives the port back. What is sent goes out from another one: peers know a message by its key, not by its port."""
        self.close()
        try:
            self._sock = self._bound(0)
        except OSError as error:
            self._complaints.about(f"heartbeats cannot be sent from {self._me.address}: {reason(error)}")

    def unpark(self) -> None:
        self._sock.close()
        self._listen()

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _listen(self) -> None:
        try:
            self._sock = self._bound(self._settings.port)
        except OSError as error:
            where = endpoints([self._me.address], self._settings.port)[0]
            raise CannotOpen(
                f"heartbeat.port is {self._settings.port}, but {where} cannot be used: {reason(error)}. "
                "Give another port, or this node's own address."
            ) from None
        self._loop.add_reader(self._sock.fileno(), self._readable)

    def _bound(self, port: int) -> Any:
        family = socket.AF_INET6 if ":" in self._me.address else socket.AF_INET
        sock = self._open_socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            sock.bind(reached_from(self._me.address, self._me.address, port))
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
        return sock

    def _readable(self) -> None:
        for _packet in range(_PACKETS_AT_ONCE):
            try:
                packet, sender = self._sock.recvfrom(_PACKET_BYTES_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionRefusedError:
                continue
            except OSError as error:
                self._complaints.about(f"heartbeats cannot be received: {reason(error)}")
                return
            self._take(packet, str(sender[0]))

    def _take(self, packet: bytes, sender: str) -> None:
        try:
            message = udp.decode(packet, self._key)
        except udp.Rejected as error:
            self._refuse(sender, str(error), named=any(peer.address == sender for peer in self._peers))  # not named: noise of anybody's
            return
        peer = next((peer for peer in self._peers if peer.node == message.node), None)
        if message.load_balancer != self._load_balancer or peer is None:
            self._refuse(sender, f"it is {message.node}'s for load balancer {message.load_balancer}", named=True)
            return
        try:
            self._guard.check(message, self._clock())
            received = _received(peer, message)
        except (udp.Rejected, notes.BadNote) as error:
            self._refuse(sender, str(error), named=False)
            return
        self._complaints.heeded(sender)
        self._receive(received)

    def _refuse(self, sender: str, why: str, named: bool) -> None:
        text = f"a heartbeat from {sender} was not taken: {why}"
        if named:
            self._complaints.about_sender(sender, text)
        else:
            self._complaints.about(text, kind="a stranger's heartbeat")


def _received(peer: Node, message: udp.Message) -> Received:
    """Raises BadNote."""
    if isinstance(message, udp.NoteCover):
        return Received(peer.node, "", "", None, notes.decode(message.note.encode()))
    active = message.state == State.ACTIVE.value
    heard = Heard(message.priority, message.interval_ms / 1000, rank_of(peer.address)) if active else None
    return Received(peer.node, message.state, message.digest, heard)
