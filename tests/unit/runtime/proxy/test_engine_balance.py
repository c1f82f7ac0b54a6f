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
@pytest.mark.parametrize("balance", ["roundrobin", "leastconn", "first", "source", "random"])
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
    elif balance == "random":
        assert 14 <= whole["a"] <= 22
        assert whole["a"] + whole["b"] == 24
    else:
        assert whole == ({"a": 24} if balance == "first" else {"a": 18, "b": 6})
    assert await shares("b", "spare") == {"b": 24}
    assert await shares("spare") == {"spare": 24}
    assert await shares("b", "spare") == {"b": 24}
    again = await shares("a", "b", "spare")
    assert again == whole or (balance == "random" and set(again) == {"a", "b"})


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


@pytest.mark.parametrize(("all_at_once", "used"), [(True, {"spare-1", "spare-2"}), (False, {"spare-2"})])
@in_lab
async def test_of_several_backups_all_are_used_or_the_first_one_that_is_up(lab: Lab, all_at_once: bool, used: set[str]):
    servers = [await holding(lab, name, "tcp", backup=name.startswith("spare")) for name in ("a", "spare-2", "spare-1", "spare-3")]
    await lab.serve(*servers, protocol="tcp", frontend={"protocol": "tcp"}, health_check=HealthCheck(), use_all_backups=all_at_once)
    lab.engine.set_health({"lb/app": {"a": False, "spare-1": True, "spare-2": True, "spare-3": False}})
    assert set((await sent(lab)).values()) == used
    lab.engine.set_health({"lb/app": {"a": False, "spare-1": True, "spare-2": False, "spare-3": False}})
    assert set((await sent(lab)).values()) == {"spare-1"}


@in_lab
async def test_a_server_that_comes_up_after_it_was_down_gets_its_share_little_by_little(lab: Lab):
    servers = [await holding(lab, name, "tcp") for name in ("a", "b")]
    await lab.serve(*servers, protocol="tcp", frontend={"protocol": "tcp"}, health_check=HealthCheck(), slow_start_ms=60_000)

    async def share_of_b() -> int:
        return Counter((await sent(lab)).values())["b"]

    lab.engine.set_health({"lb/app": {"a": True, "b": True}})
    assert await share_of_b() == 12, "it was never seen down"
    lab.engine.set_health({"lb/app": {"a": True, "b": False}})
    assert await share_of_b() == 0
    lab.engine.set_health({"lb/app": {"a": True, "b": True}})
    assert await share_of_b() <= 3
    await lab.skip(20.0)
    assert 4 <= await share_of_b() <= 8
    await lab.skip(45.0)
    assert await share_of_b() == 12
