"""The connection to the proxy's control socket: through it come the generation in force, the roles of the node, and the states of servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._paths import socket_address

_RETRY_S = 0.1
_SILENCE_S = 3.0
_LINE_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True)
class Told:
    """What the proxy said last. ``active``: the load balancers for which this node is active; ``states``: by backend and server."""

    generation: int = 0
    active: frozenset[str] = frozenset()
    states: dict[str, dict[str, str]] = field(default_factory=dict)


async def follow(path: Path, on_told: Callable[[Told], None], on_lost: Callable[[], None]) -> None:
    """For ever: calls ``on_told`` with each line of the proxy, and ``on_lost`` when there is none any more."""
    while True:
        try:
            with socket_address(path) as address:
                reader, writer = await asyncio.open_unix_connection(address, limit=_LINE_BYTES_MAX)
            try:
                writer.write(b"GET /v1/forward HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _SILENCE_S)
                while line := await asyncio.wait_for(reader.readline(), _SILENCE_S):
                    on_told(_told(line))
            finally:
                writer.close()
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # a proxy that is not there, hangs, or speaks otherwise: it is asked again
        on_lost()
        await asyncio.sleep(_RETRY_S)


def _told(line: bytes) -> Told:
    """Raises ValueError where it makes no sense."""
    try:
        said: dict[str, Any] = json.loads(line)
        return Told(int(said["generation"]), frozenset(said["active"]), {key: dict(servers) for key, servers in said["states"].items()})
    except (AttributeError, LookupError, TypeError, RecursionError):
        raise ValueError(f"{line[:80]!r}") from None
