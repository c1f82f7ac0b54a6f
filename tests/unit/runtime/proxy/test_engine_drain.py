"""Draining, for a restart or before the address moves: every client that stands gets an answer that says it is the last, however far it had come."""

from __future__ import annotations

import asyncio
import functools
import socket

from tandem._model import FrontendTls, LoadBalancer, Node, Server
from tests.support.proxy_lab import Client, Lab, Request, in_lab, ok, until
from tests.support.tls import client_side, pair


@in_lab
async def test_a_client_that_ends_its_handshake_while_the_address_moves_is_answered(lab: Lab):
    lab.certificates["lb/shop"] = pair("shop.test")
    balancer = LoadBalancer("lb", master=Node("a", "192.0.2.1"), backup=Node("b", "192.0.2.2"))
    server = Server("s1", "127.0.0.1", (await lab.origin()).port)
    lab.apply(lab.document(balancer, lab.frontend(tls=FrontendTls(certificates=("shop",))), lab.backend("app", server)))
    sock = socket.create_connection(("127.0.0.1", lab.port))
    await until(lambda: lab.web["connections"] == 1)
    lab.engine.quiesce("last_answers")
    client = Client(*await asyncio.open_connection(sock=sock, ssl=client_side(), server_hostname="shop.test"))
    lab.clients.append(client)
    response = await client.get()
    assert (response.status, response["connection"]) == (200, b"close")
    lab.engine.quiesce("off")


@in_lab
async def test_a_client_that_is_sent_elsewhere_is_told_that_this_was_the_last_answer(lab: Lab):
    await lab.serve(await lab.origin(), frontend={"redirect_to_https": True})
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\n")
    await until(lambda: [served.state for served in lab.connections()] == [1])  # in its head
    drained = asyncio.Event()
    lab.engine.drain(functools.partial(asyncio.get_running_loop().call_soon_threadsafe, drained.set))
    client.send(b"Host: a\r\n\r\n")
    response = await client.response()
    assert (response.status, response["connection"]) == (308, b"close")
    await drained.wait()


@in_lab
async def test_an_upload_that_was_answered_before_its_end_ends_the_connection(lab: Lab):
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ok())
        await reader.read(-1)

    await lab.serve(await lab.origin(raw=early))
    client = await lab.client()
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf")
    assert (await client.response()).status == 200
    drained = asyncio.Event()
    lab.engine.drain(functools.partial(asyncio.get_running_loop().call_soon_threadsafe, drained.set))
    client.send(b"full")
    await asyncio.wait_for(drained.wait(), 5)


@in_lab
async def test_a_request_whose_answer_is_under_way_ends_its_connection_and_so_does_its_frontend_that_is_no_longer_stated(lab: Lab):
    go_on = asyncio.Event()

    async def answer(_request: Request) -> bytes:
        await go_on.wait()
        return ok()

    origin = await lab.origin(answer)
    await lab.serve(origin)
    client = await lab.client()
    waiting = asyncio.ensure_future(client.get())
    await until(lambda: origin.requests)
    lab.apply(lab.document(lab.frontend("other"), lab.backend("app")))
    go_on.set()
    assert (await waiting)["connection"] == b"close"
