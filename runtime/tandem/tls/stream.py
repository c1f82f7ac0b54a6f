"""A TLS connection with the interface of a non-blocking socket, so that who reads and writes need not know which of the two it is.

OpenSSL works on the socket itself: on memory it costs the same for small messages, and a third more for large ones. Errors of TLS are raised as
``TlsError``, a ConnectionError: the connection is broken.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import ssl
import termios
from typing import Any, Optional, Protocol, Union

from .libssl import read_one_record_at_a_time

_RECORD_BYTES_MAX = 16384  # of content in one record (RFC 8446 5.1)
_WANTS = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class TlsError(ConnectionError):
    """What OpenSSL says, in its words. ``reason`` is its name for it, as HTTP_REQUEST."""

    def __init__(self, error: ssl.SSLError) -> None:
        self.reason: str = getattr(error, "reason", None) or "UNEXPECTED_END"
        said: str = getattr(error, "verify_message", "") or self.reason.replace("_", " ").lower()
        super().__init__(f"TLS: {said}")
        self.strerror = f"TLS: {said}"


class WritesFirst(BlockingIOError):
    """Nothing is read before something was written that TLS itself has to say, as an answer to a key update, and that the peer does not take."""


class Tls(Protocol):
    """What OpenSSL knows of a connection, as ``ssl.SSLSocket`` has it inside (``_ssl._SSLSocket``, the same from Python 3.9 to 3.14)."""

    context: ssl.SSLContext
    session: Optional[ssl.SSLSession]
    session_reused: bool

    def do_handshake(self) -> None: ...

    def getpeercert(self, der: bool = False, /) -> Any: ...

    def selected_alpn_protocol(self) -> Optional[str]: ...

    def cipher(self) -> Optional[tuple[str, str, int]]: ...

    def version(self) -> Optional[str]: ...

    def pending(self) -> int: ...

    def read(self, size: int, buffer: memoryview = ..., /) -> Any: ...

    def write(self, data: Union[bytes, memoryview], /) -> int: ...

    def shutdown(self) -> object: ...


class TlsStream:
    """A connected, non-blocking socket under TLS. ``handshake`` is called until it is done; then the others.

    ``server_name``: the host that a client has asked for, "" for none.
    ``left``: the end of the stream, or an error, was met behind bytes that were read: the next read tells it, though epoll will not ask for that.

    There is no ``ssl.SSLSocket`` between the socket and OpenSSL. It would be made out of a second socket, with three questions to the kernel whose
    answers are known, and each read and write would pass two more functions: a twentieth of what a handshake takes.
    """

    __slots__ = ("__weakref__", "_sock", "_tls", "left", "server_name")

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, server_side: bool, name: Optional[str] = None, session: Optional[ssl.SSLSession] = None
    ) -> None:
        self._sock = sock
        self.left = False
        self.server_name = ""  # that a client has asked for, in ASCII (RFC 6066 3)
        # The owner is what ``sni_callback`` is called with. It is known weakly, and so is the socket.
        self._tls: Tls = context._wrap_socket(sock, server_side, name, owner=self, session=session)  # type: ignore[attr-defined]
        read_one_record_at_a_time(self._tls)

    @classmethod
    def of_client(cls, sock: socket.socket, context: ssl.SSLContext) -> TlsStream:
        """Of a client that has connected to us. Takes over the socket. Raises OSError."""
        return cls(sock, context, True)

    @classmethod
    def to_server(cls, sock: socket.socket, context: ssl.SSLContext, name: str, session: Optional[ssl.SSLSession]) -> TlsStream:
        """To a server. ``name`` is sent, and checked as the context says; ``session`` is resumed. Raises OSError, ValueError."""
        return cls(sock, context, False, name or None, session)

    def handshake(self) -> bool:
        """Goes on with the handshake; returns whether it is done. Raises BlockingIOError where it wants to write, TlsError when it fails, OSError."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLWantWriteError:
            raise BlockingIOError from None
        except ssl.SSLError as error:
            raise TlsError(error) from None
        return True

    @property
    def tls(self) -> Tls:
        """For what is asked of TLS itself: the peer's certificate, the session."""
        return self._tls

    @property
    def context(self) -> ssl.SSLContext:
        """With which certificate we speak; that may be said until the client's hello is answered (``SSLContext.sni_callback``)."""
        return self._tls.context

    @context.setter
    def context(self, context: ssl.SSLContext) -> None:
        self._tls.context = context

    # As a socket

    def recv(self, size: int) -> bytes:
        """Up to ``size`` bytes, 16 KiB at least being asked for; b"" once the peer has ended its side in order. Raises BlockingIOError, OSError."""
        self.left = False
        try:
            data: bytes = self._tls.read(size)
            while self._tls.pending() and len(data) + _RECORD_BYTES_MAX <= size:
                data += self._tls.read(size)
        except ssl.SSLWantReadError:
            raise BlockingIOError from None
        except ssl.SSLWantWriteError:
            raise WritesFirst from None
        except ssl.SSLZeroReturnError:  # an end in order too: after our own close_notify Python tells it as an error
            return b""
        except ssl.SSLError as error:
            raise TlsError(error) from None
        return data

    def recv_into(self, buffer: memoryview, most: int) -> int:
        """As many records as there are, and ``most`` bytes have room for; 0 once the peer has ended its side in order. Raises as ``recv``."""
        self.left = False
        got = 0
        try:
            while got + _RECORD_BYTES_MAX <= most:
                size: int = self._tls.read(most - got, buffer[got:])
                if not size:
                    self.left = got > 0
                    break
                got += size
        except ssl.SSLWantReadError:
            if not got:
                raise BlockingIOError from None
        except ssl.SSLWantWriteError:
            if not got:
                raise WritesFirst from None
        except ssl.SSLZeroReturnError:
            self.left = got > 0
        except ssl.SSLError as error:
            if not got:
                raise TlsError(error) from None
            self.left = True
        return got

    def send(self, data: Union[bytes, memoryview]) -> int:
        """All of ``data``, or BlockingIOError: then it is called again with the same bytes, and perhaps more (SSL_write(3)). Raises OSError."""
        try:
            return self._tls.write(data)
        except _WANTS:
            raise BlockingIOError from None
        except ssl.SSLError as error:
            raise TlsError(error) from None

    def send_plain(self, data: bytes) -> None:
        """Past TLS, for a peer that does not speak it; as far as the kernel takes it."""
        with contextlib.suppress(OSError):
            self._sock.send(data)

    def shutdown(self, how: int) -> None:
        """Ends our side: close_notify (RFC 8446 6.1), then TCP's. Raises OSError.

        Python reads on after its close_notify, and what it meets is lost if it is content. So none is sent while bytes lie there.
        """
        if not self._unread():
            with contextlib.suppress(ssl.SSLError, OSError, ValueError):
                self._tls.shutdown()
        self._sock.shutdown(how)

    def _unread(self) -> bool:
        """Whether bytes lie in the kernel (FIONREAD, tcp(7))."""
        return any(fcntl.ioctl(self._sock.fileno(), termios.FIONREAD, b"\0\0\0\0"))

    def setsockopt(self, level: int, option: int, value: Union[int, bytes]) -> None:
        self._sock.setsockopt(level, option, value)

    def getsockname(self) -> tuple[str, int]:
        address: tuple[str, int] = self._sock.getsockname()
        return address

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        """OpenSSL knows the descriptor by its number, which may be another connection's from now on: it must not be asked any more."""
        if self._sock.fileno() >= 0:
            del self._tls
            self._sock.close()
