"""Whether a host answers an echo request (RFC 792, RFC 4443 4)."""

from __future__ import annotations

import asyncio
import os
import socket

from ..wire import echo
from .complaints import reason

_PACKET_BYTES_MAX = 2048


async def echo_request(address: str, within_s: float) -> tuple[bool, str]:
    """Whether an address answers an echo request. Needs CAP_NET_RAW, or a group that may ping (ping_group_range in ip-sysctl)."""
    v6 = ":" in address
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
    loop = asyncio.get_running_loop()
    try:
        with socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as sock:
            sock.setblocking(False)
            identifier, number = os.getpid() & 0xFFFF, int(loop.time() * 1000) & 0x7FFF
            sock.sendto(echo.request(v6, identifier, number), (address, 0))
            return await asyncio.wait_for(_answer(sock, v6, identifier, number, address), within_s)
    except asyncio.TimeoutError:
        return False, f"{address} does not answer"
    except OSError as error:
        return False, f"{address} cannot be asked: {reason(error)}"


async def _answer(sock: socket.socket, v6: bool, identifier: int, number: int, address: str) -> tuple[bool, str]:
    while True:
        try:
            message, sender = sock.recvfrom(_PACKET_BYTES_MAX)
        except BlockingIOError:
            await _readable(sock)
            continue
        if sender[0].partition("%")[0] == address.partition("%")[0] and echo.answered(v6, message, identifier) == number:
            return True, f"{address} answers"


async def _readable(sock: socket.socket) -> None:
    loop, future = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def came() -> None:
        if not future.done():
            future.set_result(None)

    loop.add_reader(sock.fileno(), came)
    try:
        await future
    finally:
        loop.remove_reader(sock.fileno())
