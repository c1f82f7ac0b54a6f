"""Checks of servers that expect the header of the PROXY protocol."""

from __future__ import annotations

import asyncio

import pytest

from tandem._model import Backend, HealthCheck, Server
from tandem.checks.probe import probe, target_of
from tandem.wire.proxy_protocol import Header, HeaderReader
from tests.support.proxy_lab import Origin, ok


def seen_by(backend_version: str, check: HealthCheck) -> tuple[bool, Header | bytes | None, str]:
    """(whether the check is passed, what the server reads first, where the check came from)."""
    seen: list[object] = []

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address, port = writer.get_extra_info("peername")[:2]
        first = await reader.readexactly(4)
        one = HeaderReader()
        if first == b"GET ":
            seen.append(None)
        else:
            one.feed(first)
            while one.header is None:
                one.feed(await reader.readexactly(1))
            seen.append(one.header)
        seen.append(f"{address}:{port}")
        if check.type == "http":
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ok())

    async def scenario() -> bool:
        origin = await Origin(raw=raw).start()
        try:
            backend = Backend("lb", "app", servers=(Server("s1", "127.0.0.1", origin.port),), proxy_protocol=backend_version, health_check=check)
            passed, _said = await probe(target_of(backend, backend.servers[0]))
            while len(seen) < 2:
                await asyncio.sleep(0.005)
            return passed
        finally:
            await origin.stop()

    passed = asyncio.run(asyncio.wait_for(scenario(), 10))
    return passed, seen[0], str(seen[1])  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_check_says_by_version_2_that_it_is_nobody_s(kind):
    passed, header, _came = seen_by("v2", HealthCheck(type=kind))
    assert passed
    assert header == Header(2)


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_check_says_by_version_1_that_it_is_our_own(kind):
    passed, header, came = seen_by("v1", HealthCheck(type=kind))
    assert passed
    assert isinstance(header, Header)
    assert f"{header.source}:{header.source_port}" == came
    assert header.destination == "127.0.0.1"


def test_a_check_says_nothing_where_servers_expect_nothing_or_it_is_pinned():
    assert seen_by("none", HealthCheck(type="http"))[1] is None
    assert seen_by("v2", HealthCheck(type="http", proxy_protocol="none"))[1] is None
    assert seen_by("none", HealthCheck(type="http", proxy_protocol="v2"))[1] == Header(2)
