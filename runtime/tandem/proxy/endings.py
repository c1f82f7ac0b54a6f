"""How a connection is ended, in order or broken off, so that the peer notices."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

_NO_LINGER = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Ends a connection with a reset; what is unsent is lost.

    An orderly end would say that what came is all there is. ``abort`` alone is orderly for the kernel, unless bytes lie unread.
    """
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):  # closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def end_writing(transport: asyncio.Transport) -> None:
    """Says that no more comes from us, once what is unsent has gone out.

    If the peer has broken the connection off and the loop has not seen that yet, the kernel refuses (ENOTCONN); what is read next tells it.
    """
    with contextlib.suppress(OSError):
        transport.write_eof()
