"""One question to one name server: over UDP, and over TCP where the answer does not fit (RFC 7766 5)."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import struct
from collections.abc import Callable
from typing import Optional

from ..wire.dns import CODES, NXDOMAIN, Malformed, Reply, question, read_reply

_UDP_BYTES = 65535
_Reader = Callable[[bytes], Optional[Reply]]

_STRANGERS_MAX = 100  # messages that are no answer to our question: who sends so many is guessing, and the question is asked anew


class Unanswered(Exception):
    """A name server gave no answer of use; ``str()`` says why."""


async def ask(place: tuple[str, int], name: bytes, kind: int, timeout_s: float) -> Reply:
    """What the server at ``place`` says of a name: its addresses, or that it has none. Raises Unanswered.

    Each question has a number and a port that nobody can foresee (RFC 5452 9.2): the port is the kernel's choice for a socket of its own, which
    hears nobody but that server.
    """
    who = place[0] if place[1] == 53 else f"[{place[0]}]:{place[1]}" if ":" in place[0] else f"{place[0]}:{place[1]}"
    try:
        reply = await asyncio.wait_for(_ask(place, name, kind), timeout_s)
    except asyncio.TimeoutError:  # before OSError, of which it is a kind since Python 3.11
        raise Unanswered(f"no answer from {who} within {timeout_s:g} s") from None
    except OSError as error:
        raise Unanswered(f"{who}: {os.strerror(error.errno) if error.errno and error.errno > 0 else error}") from None
    except Malformed as error:
        raise Unanswered(f"an answer from {who} that cannot be read: {error}") from None
    if reply.code not in (0, NXDOMAIN):
        raise Unanswered(f"{CODES.get(reply.code, f'code {reply.code}')} from {who}")
    if reply.referral:
        raise Unanswered(f"{who} names other name servers, and asks none itself")
    return reply


async def _ask(place: tuple[str, int], name: bytes, kind: int) -> Reply:
    number = secrets.randbelow(65536)
    message = question(number, name, kind)
    reply = await _over_udp(place, message, lambda heard: read_reply(heard, number, name, kind))
    return await _over_tcp(place, message, lambda heard: read_reply(heard, number, name, kind)) if reply.truncated else reply


async def _over_udp(place: tuple[str, int], message: bytes, read: _Reader) -> Reply:
    loop = asyncio.get_running_loop()
    with socket.socket(_family(place), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sock:
        sock.connect(place)
        sock.send(message)
        for _message in range(_STRANGERS_MAX):
            reply = read(await loop.sock_recv(sock, _UDP_BYTES))
            if reply is not None:
                return reply
    raise Malformed("none of what came was for our question")


async def _over_tcp(place: tuple[str, int], message: bytes, read: _Reader) -> Reply:
    loop = asyncio.get_running_loop()
    with socket.socket(_family(place), socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sock:
        await loop.sock_connect(sock, place)
        await loop.sock_sendall(sock, struct.pack("!H", len(message)) + message)
        heard = bytearray()
        while len(heard) < 2 or len(heard) < 2 + int.from_bytes(heard[:2], "big"):
            data = await loop.sock_recv(sock, 65536)
            if not data:
                raise Malformed("the connection was closed in the middle of it")
            heard += data
    reply = read(bytes(heard[2 : 2 + int.from_bytes(heard[:2], "big")]))
    if reply is None or reply.truncated:
        raise Malformed("what came over TCP is not the whole answer to our question")
    return reply


def _family(place: tuple[str, int]) -> int:
    return socket.AF_INET6 if ":" in place[0] else socket.AF_INET
