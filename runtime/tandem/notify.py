"""Speaks to the service manager: readiness, watchdog, and sockets that it keeps across a restart (sd_notify(3), sd_listen_fds(3)).

Without systemd every call does nothing, so the services need not know who runs them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Sequence

from .log import say

_FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_SEND_S = 1.0


def notify(*lines: str, descriptors: Sequence[int] = ()) -> None:
    """Sends assignments such as ``READY=1``; ``descriptors`` go along, for ``FDSTORE=1``."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(_SEND_S)
            sock.connect(address)
            message = "\n".join(lines).encode()
            if descriptors:
                socket.send_fds(sock, [message], list(descriptors))
            else:
                sock.send(message)
    except OSError as error:
        say("warning", f"the service manager could not be told {lines[0]}: {error}")


def keep(name: str, sock: socket.socket) -> None:
    """Has the manager keep a socket open, so that it is there again after a restart, with the clients that wait in it."""
    notify("FDSTORE=1", f"FDNAME={name}", descriptors=[sock.fileno()])


def release(name: str) -> None:
    notify("FDSTOREREMOVE=1", f"FDNAME={name}")


def kept() -> list[socket.socket]:
    """The sockets that a former life of this service had kept. To be called once, before any child is started."""
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return []
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    os.environ.pop("LISTEN_FDNAMES", None)
    sockets = []
    for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + count):
        os.set_inheritable(descriptor, False)
        with contextlib.suppress(OSError):  # not a socket: not ours
            sock = socket.socket(fileno=descriptor)
            sock.setblocking(False)
            sockets.append(sock)
    return sockets


async def tend_watchdog() -> None:
    """Shows three times in each watchdog interval that this event loop still turns. Ends at once where no watchdog waits."""
    interval_us = os.environ.get("WATCHDOG_USEC", "")
    if not interval_us.isdigit():
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(int(interval_us) / 3e6)
