"""Limits through the engine: how often and how many at a time a client may, how long a head and a body may be, how fast a frontend accepts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

import pytest

from tandem._model import ClientLimits, ErrorPage, FrontendTls, HeaderRule, LoadBalancer, Node, Server
from tandem.balance.rates import SEED_BYTES, bytes_for
from tandem.wire.proxy_protocol import write_v1
from tests.support.proxy_lab import Client, Lab, Request, in_lab, ok, until
from tests.support.tls import client_side, pair


def limiting(**limits: Any) -> dict[str, Any]:
    return {"client_limits": ClientLimits(**limits)}


def stand_still(lab: Lab) -> None:
    """From now on time passes for the engine by ``skip`` alone, however slow the machine is."""
    moment = time.monotonic()
    lab.reactor.clock = lambda: moment + lab._skipped_s


async def statuses(client: Client, count: int) -> list[int]:
    return [(await client.get()).status for _turn in range(count)]


async def turned_away(lab: Lab, address: str = "127.0.0.1") -> bool:
    """Whether a client gets nothing but the end of its connection, before it knows that it is connected or after."""
    with contextlib.suppress(ConnectionError):
        return await (await lab.client(address)).ended() == b""
    return True


# Requests


@in_lab
async def test_requests_beyond_the_rate_get_429_and_when_to_come_again(lab: Lab):
    stand_still(lab)
    origin = await lab.origin()
    await lab.serve(origin, frontend=limiting(requests_per_second=2, burst=3) | {"access_log": "json"})
    client = await lab.client()
    assert await statuses(client, 3) == [200] * 3
    refused = await client.get()
    assert (refused.status, refused["retry-after"], refused["connection"]) == (429, b"1", b"keep-alive")
    assert b"429 Too Many Requests" in refused.body
    await lab.skip(0.5)
    assert await statuses(client, 2) == [200, 429]
    await lab.skip(60)
    assert await statuses(client, 4) == [200] * 3 + [429]
    assert len(origin.requests) == 7
    assert lab.web["limited"] == 3
    assert lab.web["responses_4xx"] == 3
    await until(lambda: len(lab.lines) == 10)
    assert [json.loads(line)["problem"] for line in lab.lines].count("more than client_limits.requests_per_second") == 3


@in_lab
async def test_retry_after_says_how_long_a_slow_rate_takes(lab: Lab):
    stand_still(lab)
    await lab.serve(await lab.origin(), frontend=limiting(requests_per_second=1, burst=1))
    client = await lab.client()
    assert await statuses(client, 1) == [200]
    refused = await client.get(method="HEAD")
    assert (refused.status, refused["retry-after"], refused.body) == (429, b"1", b"")


@in_lab
async def test_all_connections_of_a_client_have_one_rate_and_others_have_theirs(lab: Lab):
    stand_still(lab)
    await lab.serve(await lab.origin(), frontend=limiting(requests_per_second=1, burst=2))
    ours = [await lab.client() for _turn in range(3)]
    assert [(await client.get()).status for client in ours] == [200, 200, 429]
    assert await statuses(await lab.client("127.0.0.2"), 3) == [200, 200, 429]


@in_lab
async def test_pipelined_requests_are_answered_in_order(lab: Lab):
    stand_still(lab)
    await lab.serve(await lab.origin(), frontend=limiting(requests_per_second=1, burst=2))
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 4)
    assert [(await client.response()).status for _turn in range(4)] == [200, 200, 429, 429]


@in_lab
async def test_an_upload_that_comes_too_often_is_not_read(lab: Lab):
    stand_still(lab)
    await lab.serve(await lab.origin(), frontend=limiting(requests_per_second=1, burst=1))
    client = await lab.client()
    assert await statuses(client, 1) == [200]
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000)
    refused = await client.response()
    assert (refused.status, refused["connection"]) == (429, b"close")
    assert await client.ended() == b""


@in_lab
async def test_networks_that_are_exempt_are_not_counted(lab: Lab):
    stand_still(lab)
    await lab.serve(await lab.origin(), frontend=limiting(requests_per_second=1, connections=1, exempt=("127.0.0.0/29",)))
    one, two = await lab.client("127.0.0.5"), await lab.client("127.0.0.5")
    assert await statuses(one, 4) + await statuses(two, 4) == [200] * 8
    assert await statuses(await lab.client("127.0.0.9"), 2) == [200, 429]
    assert await turned_away(lab, "127.0.0.9")


@in_lab
async def test_a_change_of_limits_is_in_force_with_the_next_request(lab: Lab):
    stand_still(lab)
    origin = await lab.origin()
    await lab.serve(origin)
    client = await lab.client()
    assert await statuses(client, 5) == [200] * 5
    await lab.serve(origin, frontend=limiting(requests_per_second=1, burst=2))
    assert await statuses(client, 3) == [200, 200, 429]
    await lab.serve(origin, frontend=limiting(requests_per_second=1, burst=2, exempt=("127.0.0.1/32",)))
    assert await statuses(client, 3) == [200] * 3
    await lab.serve(origin)
    assert await statuses(client, 3) == [200] * 3


@in_lab
async def test_a_limit_counts_the_client_that_a_proxy_names(lab: Lab):
    stand_still(lab)
    await lab.serve(await lab.origin(), frontend=limiting(requests_per_second=1, burst=1) | {"accept_proxy_protocol": ("127.0.0.1",)})
    for number in range(3):
        client = await lab.client()
        client.send(write_v1(f"192.0.2.{number}", 4000, "198.51.100.1", 80))
        assert await statuses(client, 2) == [200, 429]


@in_lab
async def test_workers_count_together(lab: Lab):
    """Two engines with one memory: a client who asks both in turn gets one rate."""
    stand_still(lab)
    memory = memoryview(bytearray(b"s" * SEED_BYTES + bytes(bytes_for(2) - SEED_BYTES)))
    origin = await lab.origin()
    other = Lab()
    try:
        stand_still(other)
        for number, one in enumerate((lab, other)):
            one.engine.share_rates(memory, number, 2)
            await one.serve(origin, frontend=limiting(requests_per_second=1, burst=4, connections=3))
        here, there = await lab.client(), await other.client()
        assert [(await client.get()).status for client in (here, there) * 3] == [200] * 4 + [429] * 2
        third = await lab.client()
        assert (await third.get()).status == 429
        assert await turned_away(other)
        third.writer.close()
        await until(lambda: lab.web["connections"] == 1)
        again = await other.client()
        assert (await again.get()).status == 429
    finally:
        await other.close()


@in_lab
async def test_answers_of_limits_have_the_pages_and_fields_of_the_frontend(lab: Lab):
    stand_still(lab)
    pages = (ErrorPage(429, "slower, please", "text/plain"), ErrorPage(413, "too much", "text/plain"))
    rules = (HeaderRule("set", "X-Frame-Options", "DENY"),)
    limits = limiting(requests_per_second=1, burst=2) | {"max_body": 10, "error_pages": pages, "response_headers": rules}
    await lab.serve(await lab.origin(), frontend=limits)
    client = await lab.client()
    assert (await client.get()).status == 200
    refused = await client.get(method="POST", body=b"x" * 11)
    assert (refused.status, refused.body, refused["x-frame-options"]) == (413, b"too much", b"DENY")
    client = await lab.client()
    refused = await client.get()
    assert (refused.status, refused.body, refused["x-frame-options"], refused["retry-after"]) == (429, b"slower, please", b"DENY", b"1")
    assert (await client.get()).status == 429


# Connections


@pytest.mark.parametrize("protocol", ["http", "tcp"])
@in_lab
async def test_connections_beyond_the_limit_of_a_client_are_reset_and_others_are_served(lab: Lab, protocol: str):
    await lab.serve(await lab.origin(), protocol=protocol, frontend=limiting(connections=2) | {"protocol": protocol})
    held = [await lab.client() for _turn in range(2)]
    assert [(await client.get()).status for client in held] == [200, 200]
    assert await turned_away(lab)
    assert (await (await lab.client("127.0.0.2")).get()).status == 200
    assert lab.web["limited"] == 1
    held[0].writer.close()
    await until(lambda: lab.web["connections"] == 2)
    assert (await (await lab.client()).get()).status == 200


@in_lab
async def test_handshakes_count_as_connections_from_their_first_byte_to_their_end(lab: Lab):
    origin = await lab.origin()
    lab.certificates["lb/shop"] = pair("shop.test")
    balancer = LoadBalancer("lb", master=Node("a", "192.0.2.1"), backup=Node("b", "192.0.2.2"))
    app = lab.backend("app", Server("s1", "127.0.0.1", origin.port))
    lab.apply(lab.document(balancer, lab.frontend(tls=FrontendTls(("shop",)), **limiting(connections=1)), app))
    silent = await lab.client()
    await until(lambda: lab.web["connections"] == 1)
    assert await turned_away(lab)
    silent.writer.close()
    await until(lambda: lab.web["connections"] == 0)
    for _turn in range(3):
        client = await lab.client(tls=client_side(), name="shop.test")
        assert (await client.get()).status == 200
        client.writer.close()
        await until(lambda: lab.web["connections"] == 0)


@in_lab
async def test_tcp_sessions_beyond_the_rate_are_reset(lab: Lab):
    stand_still(lab)
    await lab.serve(await lab.origin(), protocol="tcp", frontend=limiting(requests_per_second=1, burst=2) | {"protocol": "tcp"})
    for _turn in range(2):
        assert (await (await lab.client()).get()).status == 200
    assert await turned_away(lab)
    await lab.skip(1)
    assert (await (await lab.client()).get()).status == 200


@in_lab
async def test_a_frontend_accepts_as_fast_as_it_may_and_the_others_wait_their_turn(lab: Lab):
    stand_still(lab)
    await lab.serve(await lab.origin(), frontend={"connection_rate_limit": 3})
    clients = [await lab.client() for _turn in range(5)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    for client in clients[:3]:
        assert (await client.response()).status == 200
    assert lab.web["connections_total"] == 3
    await lab.skip(0.4)
    assert (await clients[3].response()).status == 200
    assert lab.web["connections_total"] == 4
    await lab.skip(0.4)
    assert (await clients[4].response()).status == 200


# Sizes


@in_lab
async def test_a_body_that_is_said_to_be_too_long_is_refused_before_it_is_sent(lab: Lab):
    origin = await lab.origin(lambda request: ok(request.body))
    await lab.serve(origin, frontend={"max_body": 1000, "access_log": "json"})
    client = await lab.client()
    assert (await client.get(method="POST", body=b"x" * 1000)).body == b"x" * 1000
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
    assert (await client.response()).status == 413
    assert await client.ended() == b""
    assert len(origin.requests) == 1
    await until(lambda: len(lab.lines) == 2)
    assert json.loads(lab.lines[1])["problem"] == "a body that is longer than max_body"


@pytest.mark.parametrize("piece", [1, 100, 400])
@in_lab
async def test_a_body_in_chunks_is_refused_once_it_becomes_too_long(lab: Lab, piece: int):
    async def raw(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    await lab.serve(await lab.origin(raw=raw), frontend={"max_body": 1000})
    client = await lab.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send((b"%x\r\n" % piece + b"x" * piece + b"\r\n") * (1000 // piece + 1))
    assert (await client.response()).status == 413


@in_lab
async def test_a_body_in_chunks_that_is_just_long_enough_passes(lab: Lab):
    async def answer(request: Request) -> bytes:
        return ok(b"%d" % len(request.body))

    await lab.serve(await lab.origin(answer), frontend={"max_body": 1000})
    client = await lab.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"64\r\n" + b"x" * 100 + b"\r\n") * 10 + b"0\r\n\r\n")
    assert (await client.response()).body == b"1000"


@in_lab
async def test_a_token_of_60_000_bytes_passes_and_the_limit_of_heads_is_an_option(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin)
    client = await lab.client()
    assert (await client.get("/", "Authorization: Bearer " + "x" * 60_000)).status == 200
    assert len(origin.requests[0]["authorization"]) == 60_007
    await lab.serve(origin, frontend={"max_head": 2048})
    assert (await client.get("/", "Cookie: " + "x" * 1900)).status == 200  # on the connection that was there
    assert (await client.get("/", "Cookie: " + "x" * 2100)).status == 431
    client = await lab.client()
    client.send(b"GET /" + b"x" * 2100)
    assert (await client.response()).status == 414
    await lab.serve(origin, frontend={"max_head": 200_000})
    client = await lab.client()
    assert (await client.get("/", "Cookie: " + "x" * 100_000)).status == 200


@in_lab
async def test_a_frontend_without_limits_has_none_to_be_asked_and_takes_no_memory_for_them(lab: Lab):
    await lab.serve(await lab.origin())
    assert (await (await lab.client()).get()).status == 200
    assert lab.engine._rates._table is None
    assert lab.engine._frontends["lb/web"].limits is None
