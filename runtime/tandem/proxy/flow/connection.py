"""One socket that is connected: bytes in, bytes out, back-pressure, its deadline, its end. What the bytes mean is its owner's business.

Writes are tried at once; only what the kernel does not take is kept, and whoever sends looks at ``blocked`` and stops reading its other side then. So
no more than one read is ever kept of a body. Reads are as large as 64 KiB, or in ``bulk`` as the worker's shared buffer; where both ends are plain
and much is on its way, bytes do not leave the kernel (``Pipe``).
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Callable
from typing import Literal, Optional, Protocol

from ...http.body import Bytes, Data, Spliced
from ...tls.stream import TlsStream, WritesFirst
from ..context import BUFFER_BYTES, Context
from ..pipe import PIPE_BYTES
from ..reactor import HANGUP, READ, WRITE, Handler

_READ_BYTES = 65536  # beyond 128 KiB malloc(3) maps and unmaps memory for each read, which costs ten times as much
UNLIMITED = 1 << 60  # bytes
_PLENTY_BYTES = 32768  # in one read, from which on splicing is cheaper than copying
_FLUSH_S = 30.0  # how long a peer may take to take the last bytes
_BYTE_ORDER: Literal["little", "big"] = sys.byteorder
NO_LINGER = struct.pack("ii", 1, 0)


class Stream(Protocol):
    """What a connection reads and writes: a non-blocking socket, or a ``TlsStream``, which behaves like one."""

    def fileno(self) -> int: ...

    def recv(self, size: int, /) -> bytes: ...

    def recv_into(self, buffer: memoryview, most: int, /) -> int: ...

    def send(self, data: Bytes, /) -> int: ...

    def shutdown(self, how: int, /) -> None: ...

    def setsockopt(self, level: int, option: int, value: bytes, /) -> None: ...

    def getsockname(self) -> tuple[str, int]: ...

    def close(self) -> None: ...


class Owner(Protocol):
    """Who a connection's bytes go to. All are called by the reactor, one connection at a time."""

    def received(self, connection: Connection, data: Data) -> None:
        """Bytes. In bulk they lie in the shared buffer and are gone with the next read."""

    def ended(self, connection: Connection) -> None:
        """Nothing more comes: the peer has ended its side, or (``broken``) the connection broke."""

    def flushed(self, connection: Connection) -> None:
        """All that was kept has gone out."""

    def expired(self, connection: Connection, now: float) -> None:
        """The connection's deadline has passed."""


class Connection(Handler):
    """A connected, non-blocking stream. ``read_ended``: the peer sends no more; ``broken``: reset, or failed otherwise."""

    __slots__ = (
        "_closing",
        "_ending",
        "_failed",
        "_hung",
        "_most",
        "_plenty",
        "_reading",
        "_sent",
        "_taken",
        "_tls",
        "_unsent",
        "_writes_first",
        "blocked",
        "broken",
        "bulk",
        "closed",
        "context",
        "heeds_resets",
        "on_closed",
        "owner",
        "read_ended",
        "sock",
        "splices",
    )

    def __init__(self, context: Context, sock: Stream, owner: Owner) -> None:
        Handler.__init__(self, sock.fileno())
        self.context = context
        self.sock = sock
        self._tls: Optional[TlsStream] = sock if isinstance(sock, TlsStream) else None
        self.owner = owner
        self.bulk = 0  # so many bytes are to come that are passed on as they are
        self.splices = False  # and need not leave the kernel for that
        self._most = _READ_BYTES  # of one read in bulk; it doubles while the other side takes all, and begins anew when it does not: the rest is kept
        self._plenty = False  # the last read in bulk was large
        self.blocked = False  # bytes are kept that the kernel does not take
        self.read_ended = False
        self.broken = False
        self.heeds_resets = False  # a reset ends it at once, also while nothing is read of it; else what came before the reset is read first
        self.closed = False
        self.on_closed: Optional[Callable[[], None]] = None  # called once, when nothing more can go out
        self._reading = True
        self._writes_first = False  # TLS reads nothing until it has written something of its own
        self._unsent = b""
        self._sent = 0  # bytes that were given to be sent, in all
        self._taken = 0  # of them, what the peer had acknowledged when we last looked
        self._ending = False  # our side ends once all has gone out
        self._failed = False  # to send; the kernel tells the reason only once
        self._hung = False  # both sides have ended, which needs no telling again
        self._closing = False  # nobody reads any more; it closes once all has gone out

    def begin(self) -> None:
        """From now on the reactor watches it."""
        self.context.reactor.watch(self, READ)

    # Writing

    def send(self, data: Data) -> None:
        """Sends, or keeps what the kernel does not take now. After a failure the rest is dropped: what was received before it is still read."""
        size = len(data)
        self._sent += size
        if self.blocked:
            self._unsent += bytes(data) if isinstance(data, Spliced) else data
            return
        if self._failed or self.broken or self.closed:
            return
        try:
            sent = data.send_to(self.fd) if isinstance(data, Spliced) else self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._cannot_send()
            return
        if sent < size:
            self._unsent = bytes(data) if isinstance(data, Spliced) else bytes(data[sent:])
            self.blocked = True
            self._taken = self._sent - self.unread_bytes()
            self._watch()

    def end(self) -> None:
        """Says that no more comes from us, once what is kept has gone out."""
        if not self._ending and not self.closed:
            self._ending = True
            if not self.blocked:
                self._shut_down()

    def unread_bytes(self) -> int:
        """What the peer has not acknowledged yet, ours and the kernel's (SIOCOUTQ, tcp(7)): a slow reader is one for whom this shrinks."""
        if self.closed:
            return 0
        held = fcntl.ioctl(self.fd, termios.TIOCOUTQ, b"\0\0\0\0")
        return len(self._unsent) + int.from_bytes(held, _BYTE_ORDER)

    def reads_on(self) -> bool:
        """Whether the peer has not acknowledged all, but some since this was last asked, or since it was stuck."""
        unread = self.unread_bytes()
        taken = self._sent - unread
        more, self._taken = taken > self._taken, taken
        return more and unread > 0

    def writable(self) -> None:
        if self._writes_first:
            self._writes_first = False
            self._watch()
            if not self.blocked:
                self.readable()
                return
        try:
            sent = self.sock.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self._cannot_send()
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self.blocked = False
            self._watch()
            if self._ending:
                self._shut_down()
            if self._closing:
                self._close_in_order()
            else:
                self.owner.flushed(self)

    def _cannot_send(self) -> None:
        self._unsent, self.blocked = b"", False
        self._failed = True
        if self._closing:
            self._close()
        elif self.read_ended or self.heeds_resets:
            # Nothing that is read will tell it, or is to be.
            self.broken = self.read_ended = True
            self.context.reactor.soon(self._tell_broken)
            self._watch()
        else:
            self._reading = True  # what lies there is read first, then the failure
            self._watch()

    def _tell_broken(self) -> None:
        if not self.closed and not self._closing:
            self.owner.ended(self)

    def _shut_down(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return  # broken off by the peer (ENOTCONN): what is read next tells it

    # Reading

    @property
    def plain(self) -> bool:
        return self._tls is None

    def read_in_bulk(self, left: int, to_plain: bool) -> None:
        """``left`` bytes are to come that are passed on as they are; ``to_plain``: to a connection that is ``plain``."""
        self.bulk = left
        self.splices = to_plain and self._tls is None
        self._plenty = left < UNLIMITED

    def pause(self) -> None:
        """Reads nothing until ``resume``: the kernel's buffer fills, and the peer has to wait."""
        if self._reading:
            self._reading = False
            self._most = _READ_BYTES
            self._watch()

    def resume(self) -> None:
        if not self._reading:
            self._reading = True
            self._watch()
            if self._tls is not None and self._tls.left:
                self.context.reactor.soon(self.readable)

    def readable(self) -> None:
        if not self._reading or self.read_ended or self.closed:
            return
        data: Data
        try:
            data = self._read_bulk() if self.bulk else self.sock.recv(_READ_BYTES)
        except WritesFirst:
            self._writes_first = True
            self._watch()
            return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.broken = True
            data = b""
        if data:
            if self._tls is not None and self._tls.left:
                self.context.reactor.soon(self.readable)
            self.owner.received(self, data)
            return
        self.read_ended = True
        self.broken = self.broken or self._failed
        self._watch()
        if self._closing:
            self._close()
        else:
            self.owner.ended(self)

    def hung_up(self, failed: bool) -> None:
        if self._reading or self.read_ended or self.closed:
            self.readable()
        elif failed and self.heeds_resets:
            self.broken = self.read_ended = True
            self._watch()
            self.owner.ended(self)
        else:
            self._hung = True
            self._watch()

    def _read_bulk(self) -> Data:
        context = self.context
        data: Data
        if self.splices and self._plenty and context.pipe.works:
            context.pipe.fill(self.fd, min(self.bulk, self._most))
            size, data = len(context.pipe), context.pipe
        else:
            # By itself: mypyc would ask twice for what ends a slice.
            size = self.sock.recv_into(context.buffer, min(self._most, BUFFER_BYTES))
            data = context.buffer[:size]
        self._plenty = size >= _PLENTY_BYTES
        if size >= self._most:
            self._most = min(2 * self._most, PIPE_BYTES)
        self.bulk = self.bulk - size if size < self.bulk else 0
        return data

    # The end

    def close(self) -> None:
        """Ends in order: what is kept still goes out, for half a minute at most."""
        if self.closed or self._closing:
            return
        if self.blocked and not self.broken:
            self._closing = True
            self._reading = False
            self._watch()
            self.context.wheel.set(self, self.context.reactor.now + _FLUSH_S)
        else:
            self._close_in_order()

    def reset(self) -> None:
        """Ends at once with a reset; what is kept is lost. An orderly end would say that what came is all there is."""
        if not self.closed:
            with contextlib.suppress(OSError):  # gone already
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            self._close()

    def expired(self, now: float) -> None:
        if self._closing:
            self.reset()
        else:
            self.owner.expired(self, now)

    def failed(self, error: Exception) -> None:
        self.broken = True
        self.owner.ended(self)
        self.reset()

    def _close_in_order(self) -> None:
        if self._tls is not None and not (self._ending or self._failed or self.broken):
            self._shut_down()  # close_notify: without it the peer has to take what it got for cut short (RFC 8446 6.1, RFC 9112 9.8)
        self._close()

    def _close(self) -> None:
        self.closed = True
        self.blocked = False
        self._unsent = b""
        self.context.reactor.close(self, self.sock)
        if self.on_closed is not None:
            on_closed, self.on_closed = self.on_closed, None
            on_closed()

    def _watch(self) -> None:
        if not self.closed:
            events = 0
            if not (self.read_ended or self._writes_first):
                if self._reading:
                    events = READ
                elif self.heeds_resets and not (self.blocked or self._hung):
                    events = HANGUP
            self.context.reactor.watch(self, events | WRITE if self.blocked or self._writes_first else events)
