"""Probes servers, once per node, and keeps what is known of them across reloads. Decisions are ``health``'s."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Optional

from .._model import Backend, Document, HealthCheck, Server, status_ranges
from ..log import say
from . import http1
from .chunked import ChunkedBody
from .health import Health, after_check, next_check_ms

_PROBES_AT_ONCE = 256
_BODY_BYTES_MAX = 65536
_JITTER = 0.05  # of the interval, so that probes of many servers do not march in step

ServerKey = tuple[str, str]  # (backend key, server name)


@dataclass(frozen=True)
class Target:
    """What is probed for one server."""

    address: str
    port: int
    check: HealthCheck


def target_of(backend: Backend, server: Server) -> Target:
    check = backend.health_check
    return Target(server.address, check.port or server.port or backend.port, check)


async def probe(target: Target) -> tuple[bool, str]:
    """One check: (passed, what was seen). Bounded by the check's timeout; raises nothing that a server could cause."""
    began = time.monotonic()
    try:
        passed, said = await asyncio.wait_for(_probe(target), target.check.timeout_ms / 1000)
    except asyncio.TimeoutError:
        return False, f"no answer within {target.check.timeout_ms} ms"
    except OSError as error:
        # asyncio words its own message; the kernel's is the one that operators know.
        return False, os.strerror(error.errno) if error.errno else str(error)
    except (http1.BadMessage, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        return False, f"no valid HTTP answer ({error})"
    return passed, f"{said} in {(time.monotonic() - began) * 1000:.0f} ms"


async def _probe(target: Target) -> tuple[bool, str]:
    reader, writer = await asyncio.open_connection(target.address, target.port, limit=http1.HEAD_BYTES_MAX)
    try:
        if target.check.type == "tcp":
            return True, "connected"
        return await _probe_http(target, reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):  # the answer is in; how the server closes tells nothing
            await writer.wait_closed()


async def _probe_http(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[bool, str]:
    check = target.check
    place = f"[{target.address}]" if ":" in target.address else target.address
    host = check.host or f"{place}:{target.port}"
    request = f"{check.method} {check.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: tandem-health-check\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    response = http1.read_response(await reader.readuntil(b"\r\n\r\n"), check.method.encode())
    while response.status < 200:  # an interim one; the answer follows (RFC 9110 15.2)
        response = http1.read_response(await reader.readuntil(b"\r\n\r\n"), check.method.encode())
    if not any(low <= response.status <= high for low, high in status_ranges(check.expect_status)):
        return False, f"status {response.status}, expected {check.expect_status}"
    if check.expect_body and check.expect_body.encode() not in await _body(reader, response):
        return False, f"status {response.status}, but the expected text is not in the body"
    return True, f"status {response.status}"


async def _body(reader: asyncio.StreamReader, response: http1.Head) -> bytes:
    chunks = ChunkedBody(framed=False) if response.chunked else None
    wanted = _BODY_BYTES_MAX if response.length is None else min(response.length, _BODY_BYTES_MAX)
    body = b""
    while len(body) < wanted:
        data = await reader.read(wanted - len(body))
        if not data:
            break
        if chunks is None:
            body += data
            continue
        pieces, used = chunks.feed(data)
        body += b"".join(pieces)
        if used >= 0:
            break
    return body


class Checker:
    """Runs the checks of a document. ``on_change(backend_key)`` is called whenever one of its servers went up or down."""

    def __init__(self, on_change: Callable[[str], None]) -> None:
        self._on_change = on_change
        self._targets: dict[ServerKey, Target] = {}
        self._tasks: dict[ServerKey, asyncio.Task[None]] = {}
        self._health: dict[ServerKey, Health] = {}
        self._probing = asyncio.Semaphore(_PROBES_AT_ONCE)

    def health(self, backend_key: str, server: str) -> Health:
        return self._health.get((backend_key, server), Health())

    def up(self, document: Document) -> dict[str, dict[str, bool]]:
        """Who is up, as workers are told; servers that have not been checked are left out."""
        known: dict[str, dict[str, bool]] = {}
        for key, backend in document.backends.items():
            states = {server.name: self._known((key, server.name), target_of(backend, server)).up for server in backend.servers}
            known[key] = {name: up for name, up in states.items() if up is not None}
        return known

    async def look_ahead(self, document: Document, wait_s: float) -> None:
        """Checks servers that a document brings new, before it is used, so that a change never begins with servers nobody has checked."""
        fresh = {key: target for key, target in _targets(document).items() if self._is_new(key, target)}
        if not fresh:
            return

        async def look(key: ServerKey, target: Target) -> None:
            async with self._probing:
                passed, said = await probe(target)
            self._targets[key] = target
            self._health[key] = after_check(Health(), target.check, passed, said, time.monotonic())
            self._report(key)

        tasks = [asyncio.ensure_future(look(key, target)) for key, target in fresh.items() if key not in self._targets]
        # A server whose address changes still serves under its old one: it is looked at under a key of its own, and taken over by follow().
        tasks += [asyncio.ensure_future(look(_ahead(key), target)) for key, target in fresh.items() if key in self._targets]
        if tasks:
            await asyncio.wait(tasks, timeout=wait_s)
        for task in tasks:
            task.cancel()

    def follow(self, document: Document) -> None:
        """Checks what the document names from now on; what is known of servers whose address and port stay is kept."""
        wanted = _targets(document)
        for key in [key for key in self._tasks if wanted.get(key) != self._targets.get(key)]:
            self._tasks.pop(key).cancel()
        for key, target in wanted.items():
            self._health[key] = self._known(key, target)
            self._targets[key] = target
            if key not in self._tasks and target.check.type != "none":
                self._tasks[key] = asyncio.ensure_future(self._watch(key, target))
        for key in [key for key in self._targets if key not in wanted]:
            del self._targets[key]
            self._health.pop(key, None)

    def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def _known(self, key: ServerKey, target: Target) -> Health:
        """What is known of a server at this very address and port. Without checks nothing is, and what was known before them is too old."""
        if not self._is_new(key, target):
            return self._health.get(key, Health())
        return self._health.get(_ahead(key), Health()) if self._targets.get(_ahead(key)) == target else Health()

    def _is_new(self, key: ServerKey, target: Target) -> bool:
        have = self._targets.get(key)
        if target.check.type == "none":
            return False
        return have is None or have.check.type == "none" or (have.address, have.port) != (target.address, target.port)

    async def _watch(self, key: ServerKey, target: Target) -> None:
        if self._health.get(key, Health()).up is not None:
            # Looked at already; the next check comes at a random moment of the interval, so that many servers spread out.
            await asyncio.sleep(random.random() * target.check.interval_ms / 1000)
        while True:
            async with self._probing:
                passed, said = await probe(target)
            before = self._health.get(key, Health())
            health = after_check(before, target.check, passed, said, time.monotonic())
            self._health[key] = health
            if health.up != before.up:
                self._report(key)
                self._on_change(key[0])
            interval_s = next_check_ms(health, target.check) / 1000
            await asyncio.sleep(interval_s * (1 + _JITTER * (random.random() - 0.5)))

    def _report(self, key: ServerKey) -> None:
        health = self._health[key]
        level = "info" if health.up else "warning"
        backend, server = key[0], key[1].rstrip(_AHEAD)
        say(level, f"server {backend}/{server} is {health.state}: {health.last}")


_AHEAD = "\0"


def _ahead(key: ServerKey) -> ServerKey:
    return (key[0], key[1] + _AHEAD)


def _targets(document: Document) -> Mapping[ServerKey, Target]:
    found: dict[ServerKey, Target] = {}
    for key, backend in document.backends.items():
        for server in backend.servers:
            found[key, server.name] = target_of(backend, server)
    return found


def describe(health: Health, check: HealthCheck, now_s: float) -> dict[str, Optional[object]]:
    """How status shows a server's health."""
    if check.type == "none":
        return {"state": "up", "since_ms": None, "last_check": "not checked"}
    return {"state": health.state, "since_ms": int((now_s - health.since_s) * 1000) if health.since_s else None, "last_check": health.last}
