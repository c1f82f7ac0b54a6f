"""Servers by name as the engine has them: where they are is told beside the document, and may change under whatever is under way."""

from __future__ import annotations

import asyncio

import pytest

from tandem._model import HealthCheck, Server, Sticky
from tests.support.proxy_lab import Lab, Origin, in_lab, ok, until

HERE, THERE = "127.0.0.1", "127.0.0.2"


async def two_places(lab: Lab) -> Origin:
    """A server that listens everywhere on the loopback network, so that one port is there at each of its addresses; it says at which it was met."""
    origin = Origin()
    origin.server = await asyncio.start_server(origin._connected, "0.0.0.0", 0)
    origin.port = origin.server.sockets[0].getsockname()[1]
    lab.origins.append(origin)
    origin.answer = lambda _request: ok(origin.writers[-1].get_extra_info("sockname")[0].encode())
    return origin


def named(origin: Origin, name: str = "app", **options: object) -> Server:
    return Server(name, "app.test", origin.port, **options)  # type: ignore[arg-type]


def at(lab: Lab, *, up: bool = True, **addresses: str) -> None:
    lab.engine.set_addresses({"lb/app": addresses}, {"lb/app": dict.fromkeys(addresses, up)})


async def met(lab: Lab) -> str:
    """Where a new client's request arrives; "" where there is no server."""
    response = await (await lab.client()).get()
    return response.body.decode() if response.status == 200 else ""


@in_lab
async def test_a_server_is_down_while_it_has_no_address_checked_or_not(lab: Lab):
    origin = await two_places(lab)
    for check in (HealthCheck(type="none"), HealthCheck()):
        await lab.serve(named(origin), health_check=check)
        assert await met(lab) == ""
        at(lab, app=HERE)
        assert await met(lab) == HERE
        at(lab)
        assert await met(lab) == ""


@in_lab
async def test_a_new_address_that_is_not_known_to_be_up_is_not_used(lab: Lab):
    origin = await two_places(lab)
    await lab.serve(named(origin), health_check=HealthCheck())
    at(lab, app=HERE)
    assert await met(lab) == HERE
    at(lab, app=THERE, up=False)
    assert await met(lab) == ""
    lab.engine.set_health({"lb/app": {"app": True}})
    assert await met(lab) == THERE


@in_lab
async def test_kept_connections_to_a_former_address_are_not_used_again(lab: Lab):
    origin = await two_places(lab)
    await lab.serve(named(origin))
    at(lab, app=HERE)
    client = await lab.client()
    for address, connections in ((HERE, 1), (HERE, 1), (THERE, 2), (THERE, 2), (HERE, 3)):
        at(lab, app=address)
        assert (await client.get()).body == address.encode()
        assert origin.connections == connections


@pytest.mark.parametrize("action", ["none", "shutdown_sessions"])
@in_lab
async def test_a_session_at_a_former_address_goes_on_unless_sessions_end_with_their_server(lab: Lab, action: str):
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)

    origin = await two_places(lab)
    origin.raw = raw
    await lab.serve(named(origin), protocol="tcp", frontend={"protocol": "tcp"}, on_marked_down=action)
    at(lab, app=HERE)
    client = await lab.client()
    client.send(b"one")
    assert await client.reader.readexactly(3) == b"one"
    at(lab, app=THERE)
    if action == "none":
        client.send(b"two")
        assert await client.reader.readexactly(3) == b"two"
    else:
        await client.reset()
    await until(lambda: lab.engine._backends["lb/app"].servers["app"].up)


@in_lab
async def test_clients_that_are_bound_to_a_server_without_an_address_go_to_another_one_and_come_back(lab: Lab):
    origin = await two_places(lab)
    await lab.serve(named(origin, expand=2), sticky=Sticky("source"))
    at(lab, **{"app-1": HERE, "app-2": THERE})
    client = await lab.client()
    first = (await client.get()).body.decode()
    slot = "app-1" if first == HERE else "app-2"
    at(lab, **{"app-2" if slot == "app-1" else "app-1": THERE if first == HERE else HERE})
    assert (await client.get()).body.decode() != first
    shown = lab.app["servers"]
    assert set(shown) == {"app-1", "app-2"}


@in_lab
async def test_a_document_is_applied_with_the_addresses_of_then(lab: Lab):
    origin = await two_places(lab)
    await lab.serve(named(origin))
    at(lab, app=HERE)
    listeners = {("lb/web", "127.0.0.1", lab.port): lab.listener}
    document = lab.document(lab.frontend(), lab.backend("app", named(origin), named(origin, "other"), balance="first"))
    lab.engine.apply(document, listeners, addresses={"lb/app": {"other": THERE}})
    assert (await (await lab.client()).get()).body == THERE.encode()
