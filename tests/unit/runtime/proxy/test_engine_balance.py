"""Who is sent to which server, over real connections: every balance mode with weights and a backup, and sources that stay where they are."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tandem._model import HealthCheck, Server, Sticky
from tests.support.proxy_lab import Lab, in_lab, reset, until

ADDRESSES = [f"127.0.0.{n}" for n in range(101, 125)]


async def holding(lab: Lab, name: str, protocol: str, **options: object) -> Server:
    """A server that says its name and then holds the session."""

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if protocol == "http":
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        writer.write(b"<%b>" % name.encode())
        await reader.read(-1)

    return Server(name, "127.0.0.1", (await lab.origin(raw=raw)).port, **options)  # type: ignore[arg-type]


async def sent(lab: Lab, protocol: str = "tcp") -> dict[str, str]:
    """The server that a client of each address is sent to, while all of them hold their sessions."""
    clients = [await lab.client(address) for address in ADDRESSES]
    servers = {}
    for address, client in zip(ADDRESSES, clients):
        if protocol == "http":
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        servers[address] = (await client.reader.readuntil(b">")).rpartition(b"<")[2][:-1].decode()
    for client in clients:
        reset(client.writer)
    await until(lab.nothing_held)
    return servers


@pytest.mark.parametrize("protocol", ["http", "tcp"])
@pytest.mark.parametrize("balance", ["roundrobin", "leastconn", "first", "source"])
@in_lab
async def test_every_balance_mode_keeps_to_weights_and_uses_the_backup_while_all_others_are_down(lab: Lab, balance: str, protocol: str):
    servers = [await holding(lab, name, protocol, **options) for name, options in (("a", {"weight": 3}), ("b", {}), ("spare", {"backup": True}))]
    await lab.serve(*servers, balance=balance, protocol=protocol, frontend={"protocol": protocol}, health_check=HealthCheck())

    async def shares(*up: str) -> Counter[str]:
        lab.engine.set_health({"lb/app": {server.name: server.name in up for server in servers}})
        return Counter((await sent(lab, protocol)).values())

    whole = await shares("a", "b", "spare")
    if balance == "source":
        assert 15 <= whole["a"] <= 21
        assert whole["a"] + whole["b"] == 24
    else:
        assert whole == ({"a": 24} if balance == "first" else {"a": 18, "b": 6})
    assert await shares("b", "spare") == {"b": 24}
    assert await shares("spare") == {"spare": 24}
    assert await shares("b", "spare") == {"b": 24}
    assert await shares("a", "b", "spare") == whole


@in_lab
async def test_sticky_tcp_clients_return_to_their_servers_also_when_an_unrelated_one_comes_or_goes(lab: Lab):
    a, b, c, d = [await holding(lab, name, "tcp") for name in "abcd"]

    async def sent_with(*servers: Server) -> dict[str, str]:
        await lab.serve(*servers, protocol="tcp", frontend={"protocol": "tcp"}, sticky=Sticky(type="source"))
        return await sent(lab)

    homes = await sent_with(a, b, c)
    assert set(homes.values()) == {"a", "b", "c"}
    for _turn in range(2):
        assert await sent_with(a, b, c) == homes
    assert await sent_with(a, b, c, d) == homes
    without_c = await sent_with(a, b, d)
    assert "c" not in without_c.values()
    assert {client: home for client, home in without_c.items() if homes[client] != "c"} == {k: v for k, v in homes.items() if v != "c"}
    assert await sent_with(a, b, c, d) == without_c
