"""What becomes of the fields that concern a proxy: upgrades, Max-Forwards, Date, who the client is, trailers."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.proxy_lab import Lab, in_lab, ok


@pytest.mark.parametrize(
    ("asked", "passed"),
    [("websocket", b"websocket"), ("WebSocket", b"WebSocket"), ("h2c", b""), ("h2c, websocket", b"websocket"), ("foo", b"")],
)
@in_lab
async def test_only_protocols_of_the_list_are_asked_of_the_server_RFC_9110_7_8(lab: Lab, asked: str, passed: bytes):
    origin = await lab.origin()
    await lab.serve(origin)
    await (await lab.client()).get("/", "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {asked}", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
    (request,) = origin.requests
    assert request["upgrade"] == passed
    assert request["connection"].lower() == (b"upgrade" if passed else b"")
    assert request["http2-settings"] == b""


@in_lab
async def test_a_switch_to_another_protocol_than_was_asked_for_is_refused_RFC_9110_15_2_2(lab: Lab):
    answer = b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"
    await lab.serve(await lab.origin(lambda _request: answer))
    assert (await (await lab.client()).get("/", "Connection: upgrade", "Upgrade: websocket")).status == 502


@in_lab
async def test_a_426_names_the_protocol_that_the_server_wants_RFC_9110_15_5_22(lab: Lab):
    answer = b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n"
    await lab.serve(await lab.origin(lambda _request: answer))
    response = await (await lab.client()).get()
    assert (response.status, response["upgrade"]) == (426, b"websocket")
    assert b"upgrade" in response["connection"].lower()


@in_lab
async def test_max_forwards_is_counted_down_and_answered_at_0_RFC_9110_7_6_2(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin)
    assert (await (await lab.client()).get("/", "Max-Forwards: 3", method="OPTIONS")).status == 200
    assert origin.requests[0]["max-forwards"] == b"2"
    trace = await (await lab.client()).get("/traced", "Max-Forwards: 0", "Cookie: secret=1", method="TRACE")
    assert (trace.status, trace["content-type"]) == (200, b"message/http")
    assert b"TRACE /traced" in trace.body
    assert b"secret" not in trace.body
    last = await lab.client()
    assert (await last.get("/", "Max-Forwards: 0", method="OPTIONS")).status == 200
    assert await last.ended() == b""
    assert (await (await lab.client()).get("/", "Max-Forwards: 0")).status == 200  # it means nothing for others
    assert len(origin.requests) == 2
    assert (lab.web["requests"], lab.web["responses_2xx"]) == (4, 4)


@in_lab
async def test_every_answer_has_a_date_ours_among_them_RFC_9110_6_6_1(lab: Lab):
    answers = [ok(), ok(b"ok", b"Date: Thu, 26 Nov 2026 17:00:00 GMT")]
    await lab.serve(await lab.origin(lambda _request: answers.pop(0)))
    client = await lab.client()
    assert (await client.get())["date"] == b"Thu, 01 Jan 1970 00:00:00 GMT"
    assert (await client.get())["date"] == b"Thu, 26 Nov 2026 17:00:00 GMT"
    client.send(b"nonsense\r\n\r\n")
    assert (await client.response())["date"] == b"Thu, 01 Jan 1970 00:00:00 GMT"


@pytest.mark.parametrize("rest", [b"Host: a\r\nExpect: x\r\n\r\n", b"\r\n", b"Host: a\r\nX: " + b"y" * 70000])
@in_lab
async def test_a_head_that_is_refused_gets_no_body_RFC_9110_9_3_2(lab: Lab, rest: bytes):
    await lab.serve(await lab.origin())
    client = await lab.client()
    client.send(b"HEAD / HTTP/1.1\r\n" + rest)
    response = await client.response(b"HEAD")
    assert response.status >= 400
    assert int(response["content-length"]) > 0
    assert await client.ended() == b""


@in_lab
async def test_what_clients_say_of_themselves_is_believed_of_trusted_proxies_alone(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin, frontend={"trusted_proxies": ("127.0.0.2/32",)})
    fields = ("X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: https", "X-Real-IP: 10.0.0.1", "Forwarded: for=10.0.0.1", "X_Forwarded_For: 10.0.0.1")
    await (await lab.client("127.0.0.1")).get("/", *fields)
    await (await lab.client("127.0.0.2")).get("/", *fields)
    stranger, trusted = origin.requests
    assert (stranger["x-forwarded-for"], stranger["x-forwarded-proto"]) == (b"127.0.0.1", b"http")
    assert stranger["x-real-ip"] == stranger["forwarded"] == b""
    assert (trusted["x-forwarded-for"], trusted["x-forwarded-proto"]) == (b"10.0.0.1, 127.0.0.2", b"https")
    assert trusted["x-real-ip"] == b"10.0.0.1"
    assert stranger["x_forwarded_for"] == trusted["x_forwarded_for"] == b""


@in_lab
async def test_via_and_underscores_are_as_the_frontend_says(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin, frontend={"via": False, "header_underscores": "pass"})
    await (await lab.client()).get("/", "X_A: b")
    (request,) = origin.requests
    assert (request["via"], request["x_a"]) == (b"", b"b")


@in_lab
async def test_trailers_reach_the_other_side_but_those_that_frame_or_route_RFC_9110_6_5_1(lab: Lab):
    got: list[bytes] = []

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got.append(await reader.readuntil(b"0\r\n") + await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nServer-Timing: x\r\nContent-Length: 9\r\n\r\n")

    await lab.serve(await lab.origin(raw=raw))
    client = await lab.client()
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
    client.send(b"2\r\nok\r\n0\r\nChecksum: 1\r\nHost: b\r\nAuthorization: c\r\n\r\n")
    await client.reader.readuntil(b"2\r\nok\r\n")
    assert await client.reader.readuntil(b"\r\n\r\n") == b"0\r\nServer-Timing: x\r\n\r\n"
    assert got == [b"2\r\nok\r\n0\r\nChecksum: 1\r\n\r\n"]


@in_lab
async def test_a_client_that_is_connected_is_passed_on_as_the_options_are_by_now(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin, frontend={"trusted_proxies": ("127.0.0.0/8",)})
    client = await lab.client()
    await client.get("/", "X-Forwarded-For: 192.0.2.7")
    await lab.serve(origin, frontend={})
    await client.get("/", "X-Forwarded-For: 192.0.2.7")
    assert [request["x-forwarded-for"] for request in origin.requests] == [b"192.0.2.7, 127.0.0.1", b"127.0.0.1"]
