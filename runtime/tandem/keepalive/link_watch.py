"""Tells at once when something happens to one of the node's interfaces: a cable is pulled, an interface taken away (rtnetlink(7), RTMGRP_LINK).

What has happened is asked of the kernel then (``addresses.look``), so that a message that got lost loses nothing but time.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

from ..log import say
from .complaints import reason

_RTMGRP_LINK = 1
_MESSAGE_BYTES_MAX = 65536
_MESSAGES_AT_ONCE = 100


class LinkWatch:
    """Calls ``on_change()`` in the running loop, until ``close``. Where the kernel does not let it watch, that is logged, and it never calls."""

    def __init__(self, on_change: Callable[[], None], open_socket: Callable[..., Any] = socket.socket) -> None:
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._sock: Any = None
        try:
            self._sock = open_socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
            self._sock.bind((0, _RTMGRP_LINK))
            self._sock.setblocking(False)
        except OSError as error:
            say("warning", f"the kernel does not tell at once when an interface changes, so it is asked every second: {reason(error)}")
            self.close()
            return
        self._loop.add_reader(self._sock.fileno(), self._readable)

    def close(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            self._loop.remove_reader(sock.fileno())
            sock.close()

    def _readable(self) -> None:
        for _message in range(_MESSAGES_AT_ONCE):
            try:
                self._sock.recv(_MESSAGE_BYTES_MAX)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # more than the queue holds: something happened
                    say("warning", f"changes of interfaces are no longer told by the kernel, so it is asked every second: {reason(error)}")
                    self.close()
                break
        self._on_change()
