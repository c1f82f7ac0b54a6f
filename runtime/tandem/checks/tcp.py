"""A check of type tcp: whoever takes a connection is up."""

from __future__ import annotations

import asyncio
import socket


async def connect(sock: socket.socket, address: str, port: int) -> str:
    """Connects a non-blocking socket and says what was seen. Raises OSError."""
    await asyncio.get_running_loop().sock_connect(sock, (address, port))
    return "connected"
