"""The channel between supervisor and worker: small JSON packets, with file descriptors attached, on a SOCK_SEQPACKET pair.

What does not fit in a packet (documents, counters) travels as a descriptor of anonymous memory, memfd_create(2).
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Optional, Protocol

_PACKET_BYTES_MAX = 65536
DESCRIPTORS_MAX = 16
_QUEUE_MAX = 10_000

Message = dict[str, Any]


class ChannelBroken(Exception):
    """The other side is gone, or takes nothing any more."""


class Loop(Protocol):
    """What the channel needs of the loop it is in: asyncio's has it, and ``worker`` makes it of a reactor."""

    def add_reader(self, fd: int, callback: Callable[[], None], /) -> object: ...

    def remove_reader(self, fd: int, /) -> object: ...

    def add_writer(self, fd: int, callback: Callable[[], None], /) -> object: ...

    def remove_writer(self, fd: int, /) -> object: ...

    def call_soon(self, callback: Callable[[], None], /) -> object: ...


class Channel:
    """One end. ``on_message(message, descriptors)`` gets each packet; ``on_end()`` is called once, when the other side is gone."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        on_message: Callable[[Message, list[int]], None],
        on_end: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._on_message = on_message
        self._on_end = on_end
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        sock.setblocking(False)
        loop.add_reader(sock.fileno(), self._readable)

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Sends, or queues while the other side is busy. The descriptors are duplicated and stay the caller's."""
        packet = json.dumps(message, separators=(",", ":")).encode()
        if len(packet) > _PACKET_BYTES_MAX or len(descriptors) > DESCRIPTORS_MAX:
            raise AssertionError("a packet too large: attach it with share()")
        if len(self._waiting) >= _QUEUE_MAX:
            raise ChannelBroken("the other side of the channel takes nothing any more")
        self._waiting.append((packet, [os.dup(descriptor) for descriptor in descriptors]))
        self._writable()

    @property
    def waiting(self) -> int:
        """How many packets the other side has not taken yet."""
        return len(self._waiting)

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
            self._sock.close()
        for _packet, descriptors in self._waiting:
            _close_all(descriptors)
        self._waiting.clear()

    def _writable(self) -> None:
        while self._waiting and self._sock.fileno() >= 0:
            packet, descriptors = self._waiting[0]
            try:
                socket.send_fds(self._sock, [packet], descriptors)
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self._sock.fileno(), self._writable)
                return
            except OSError as error:
                if error.errno not in (errno.EPIPE, errno.ECONNRESET):  # after these an end of file follows, which tells the owner
                    self._loop.call_soon(self._break_off)
                return
            self._waiting.popleft()
            _close_all(descriptors)
        if self._sock.fileno() >= 0:
            self._loop.remove_writer(self._sock.fileno())

    def _readable(self) -> None:
        for _packet in range(100):
            if self._sock.fileno() < 0:
                return
            try:
                packet, descriptors, flags, _address = socket.recv_fds(self._sock, _PACKET_BYTES_MAX, DESCRIPTORS_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                packet, descriptors, flags = b"", [], 0
            message = None if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) else _read(packet)
            if message is None:
                _close_all(descriptors)
                self._break_off()
                return
            self._on_message(message, descriptors)

    def _break_off(self) -> None:
        """Ends the channel from this side: the other one is gone, or says what nobody can follow."""
        if self._sock.fileno() >= 0:
            self.close()
            self._on_end()


def _read(packet: bytes) -> Optional[Message]:
    """The message in a packet; None for the end of file and for what is no message."""
    try:
        message = json.loads(packet)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and isinstance(message.get("type"), str) else None


def share(content: Any) -> int:
    """JSON in anonymous memory; the descriptor is the caller's to close."""
    return in_memory([json.dumps(content, separators=(",", ":")).encode()])


def in_memory(pieces: Iterable[bytes]) -> int:
    """``share`` for what is JSON already."""
    descriptor = os.memfd_create("tandem", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as memory:
        memory.writelines(pieces)
    return descriptor


def shared(descriptor: int) -> Any:
    """What ``share`` put there. Closes the descriptor. Raises OSError, or ValueError for what is no JSON.

    Read at positions of its own: all who got the descriptor share one file offset, and workers read at the same time.
    """
    try:
        size = os.fstat(descriptor).st_size
        content = b""
        while len(content) < size:
            piece = os.pread(descriptor, size - len(content), len(content))
            if not piece:
                break
            content += piece
    finally:
        os.close(descriptor)
    return json.loads(content)


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
