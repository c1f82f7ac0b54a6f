"""What a request is sent again after, as ``retry_on`` says, and what it never is."""

from __future__ import annotations

import asyncio

import pytest

from tandem._model import Server
from tests.support.proxy_lab import Answer, Lab, Origin, in_lab, ok
from tests.unit.runtime.proxy.test_engine_failures import closed_port

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"
HUGE = 100_000


def saying(answer: bytes) -> Answer:
    return lambda _request: answer


async def two(lab: Lab, first: bytes, *reasons: str, second: bytes = b"", **options: object) -> tuple[Origin, Origin]:
    """Two servers, of which the first one is asked first."""
    bad = await lab.origin(saying(first) if first else lambda _request: None)
    good = await lab.origin(saying(second) if second else lambda request: ok(request.method + b" " + request.body))
    await lab.serve(bad, good, balance="first", retry_on=reasons, **options)
    return bad, good


@in_lab
async def test_a_status_that_is_named_sends_an_idempotent_request_to_another_server_with_its_body(lab: Lab):
    bad, good = await two(lab, BUSY, "503")
    client = await lab.client()
    for method, body in (("GET", b""), ("PUT", b"x" * 5000)):
        response = await client.get(method=method, body=body)
        assert (response.status, response.body) == (200, method.encode() + b" " + body)
    assert (len(bad.requests), len(good.requests)) == (2, 2)
    shown = lab.app["servers"]["s1"]
    assert (shown["retries"], shown["responses_5xx"], shown["sessions"]) == (2, 2, 0)
    assert lab.web["responses_5xx"] == 0, "clients have seen none"


@pytest.mark.parametrize(("method", "body", "reasons"), [("POST", b"x", ("503",)), ("PUT", b"x" * HUGE, ("503",)), ("GET", b"", ("502", "504"))])
@in_lab
async def test_an_answer_goes_out_if_its_status_is_not_named_or_sending_again_could_do_harm(
    lab: Lab, method: str, body: bytes, reasons: tuple[str, ...]
):
    _bad, good = await two(lab, BUSY, *reasons)
    client = await lab.client()
    response = await client.get(method=method, body=body)
    assert (response.status, response.body) == (503, b"busy")
    assert good.requests == []


@in_lab
async def test_the_last_answer_goes_out_whatever_it_is(lab: Lab):
    bad, good = await two(lab, BUSY, "503", second=BUSY.replace(b"busy", b"full"), max_retries=3)
    response = await (await lab.client()).get()
    assert (response.status, response.body in (b"busy", b"full")) == (503, True)
    assert len(bad.requests) + len(good.requests) == 4


@pytest.mark.parametrize(("reasons", "status"), [((), 503), (("empty_response",), 503), (("connect_failure",), 200)])
@in_lab
async def test_a_connection_that_does_not_come_about_is_tried_elsewhere_where_that_is_a_reason(lab: Lab, reasons: tuple[str, ...], status: int):
    good = await lab.origin()
    await lab.serve(Server("dead", "127.0.0.1", closed_port()), Server("good", "127.0.0.1", good.port), balance="first", retry_on=reasons)
    assert (await (await lab.client()).get(method="POST", body=b"x")).status == status


@pytest.mark.parametrize(("reasons", "status"), [((), 502), (("connect_failure",), 502), (("empty_response",), 200)])
@in_lab
async def test_an_answer_that_does_not_come_is_asked_for_elsewhere_where_that_is_a_reason(lab: Lab, reasons: tuple[str, ...], status: int):
    await two(lab, b"", *reasons)
    assert (await (await lab.client()).get()).status == status


@in_lab
async def test_a_kept_connection_that_ends_as_the_request_comes_is_made_anew_whatever_the_reasons_are(lab: Lab):
    async def one_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ok(b"once"))
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")

    origin = await lab.origin(raw=one_answer)
    await lab.serve(origin, retry_on=())
    client = await lab.client()
    for _request in range(5):
        assert (await client.get()).status == 200
    assert origin.connections == 5
