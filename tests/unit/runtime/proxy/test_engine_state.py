"""What the engine remembers and what a new document changes: health, hot apply, counters, the access log."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from tandem._model import Route, Server
from tests.support.proxy_lab import Client, Lab, Origin, Request, in_lab, named, ok, seen, until

# Health


@in_lab
async def test_checked_servers_are_down_until_they_are_said_to_be_up(lab: Lab):
    from tandem._model import HealthCheck

    a, b = await named(lab, "a", "b")
    await lab.serve(a, b, health_check=HealthCheck())
    client = await lab.client()
    assert (await client.get()).status == 503
    lab.engine.set_health({"lb/app": {"b": True}})
    client = await lab.client()
    assert await seen(client, 4) == {b"b"}
    lab.engine.set_health({"lb/app": {"a": True, "b": True}})
    assert await seen(client, 4) == {b"a", b"b"}
    lab.engine.set_health({"lb/app": {"a": True, "b": False}})
    assert await seen(client, 4) == {b"a"}


@in_lab
async def test_backups_take_over_when_no_other_server_can(lab: Lab):
    from tandem._model import HealthCheck

    a, b = await named(lab, "a", "b")
    spare = Server("b", "127.0.0.1", b.port, backup=True)
    await lab.serve(a, spare, health_check=HealthCheck())
    lab.engine.set_health({"lb/app": {"a": True, "b": True}})
    client = await lab.client()
    assert await seen(client, 4) == {b"a"}
    lab.engine.set_health({"lb/app": {"a": False, "b": True}})
    assert await seen(client, 4) == {b"b"}
    lab.engine.set_health({"lb/app": {"a": True, "b": True}})
    assert await seen(client, 4) == {b"a"}


@pytest.mark.parametrize("action", ["none", "shutdown_sessions"])
@in_lab
async def test_on_marked_down_decides_what_becomes_of_sessions(lab: Lab, action: str):
    from tandem._model import HealthCheck

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        await go_on.wait()
        writer.write(b"full")

    go_on = asyncio.Event()
    await lab.serve(await lab.origin(raw=half), health_check=HealthCheck(), on_marked_down=action)
    lab.engine.set_health({"lb/app": {"s1": True}})
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await client.reader.readuntil(b"half")
    lab.engine.set_health({"lb/app": {"s1": False}})
    if action == "shutdown_sessions":
        assert await client.reset() == b""
    else:
        go_on.set()
        assert await client.reader.readexactly(4) == b"full"


# A new document


@in_lab
async def test_documents_change_under_load_without_a_failed_request_or_a_closed_connection(lab: Lab):
    async def answer(request: Request) -> bytes:
        await asyncio.sleep(0.002)
        return ok(request.body)

    origins = [await lab.origin(answer) for _turn in range(3)]
    await lab.serve(*origins)
    done, stop = 0, False

    async def load(n: int) -> None:
        nonlocal done
        client = await lab.client()
        while not stop:
            response = await client.get("/", method="PUT" if n % 2 else "POST", body=b"%d" % n)
            assert (response.status, response.body, response["connection"]) == (200, b"%d" % n, b"")
            done += 1

    loads = [asyncio.ensure_future(load(n)) for n in range(12)]
    for n in range(30):
        before = done
        await until(lambda before=before: done > before + 10 or any(task.done() for task in loads))
        some = origins[n % 3 :] if n % 4 else origins
        options = {"balance": ("leastconn", "roundrobin", "source", "first")[n % 4], "max_connections": n % 2 * 5}
        await lab.serve(*some, frontend={"routes": (Route(path_prefix="/x", backend="app"),) if n % 2 else ()}, **options)
    stop = True
    await asyncio.gather(*loads)
    assert lab.web["connections_total"] == 12
    assert lab.web["responses_2xx"] == done


@in_lab
async def test_an_unchanged_server_keeps_its_connections_and_counters(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin)
    await (await lab.client()).get()
    await lab.serve(origin, max_retries=1)
    assert lab.server()["idle"] == 1
    await (await lab.client()).get()
    assert origin.connections == 1
    assert lab.server()["sessions_total"] == 2


@in_lab
async def test_a_server_at_a_new_address_gets_new_connections(lab: Lab):
    old, new = await lab.origin(lambda _r: ok(b"old")), await lab.origin(lambda _r: ok(b"new"))
    await lab.serve(old)
    client = await lab.client()
    assert (await client.get()).body == b"old"
    await lab.serve(new)
    assert (await client.get()).body == b"new"


@in_lab
async def test_a_request_under_way_at_a_removed_server_is_finished(lab: Lab):
    go_on = asyncio.Event()

    async def answer(_request: Request) -> bytes:
        await go_on.wait()
        return ok(b"old")

    old, new = await lab.origin(answer), await lab.origin(lambda _r: ok(b"new"))
    await lab.serve(old)
    client = await lab.client()
    waiting = asyncio.ensure_future(client.get())
    await until(lambda: old.requests)
    lab.apply(lab.document(lab.frontend(default_backend="other"), lab.backend("other", Server("n", "127.0.0.1", new.port))))
    go_on.set()
    assert (await waiting).body == b"old"
    assert (await client.get()).body == b"new"
    await until(lambda: not old.tasks)


@in_lab
async def test_a_removed_frontend_closes_its_listener_and_idle_clients_and_finishes_the_others(lab: Lab):
    go_on = asyncio.Event()

    async def answer(_request: Request) -> bytes:
        await go_on.wait()
        return ok()

    origin = await lab.origin(lambda request: answer(request) if request.target == b"/slow" else ok())
    await lab.serve(origin)
    idle, busy = await lab.client(), await lab.client()
    await idle.get()
    waiting = asyncio.ensure_future(busy.get("/slow"))
    await until(lambda: len(origin.requests) == 2)
    lab.apply(lab.document())
    assert await idle.ended() == b""
    with pytest.raises(ConnectionRefusedError):
        await lab.client()
    go_on.set()
    response = await waiting
    assert (response.status, response["connection"]) == (200, b"close")
    assert await busy.ended() == b""
    await until(lambda: not lab.engine._leaving)


@in_lab
async def test_places_go_from_one_frontend_to_another_with_their_listeners(lab: Lab):
    names = ("a", "z")
    servers = {name: (await named(lab, name))[0] for name in names}
    listeners = [socket.create_server(("127.0.0.1", 0)) for _turn in range(3)]
    ports = [listener.getsockname()[1] for listener in listeners]

    def apply(**of: int) -> None:
        frontends = [lab.frontend(name, default_backend=f"b{name}") for name in names]
        backends = [lab.backend(f"b{name}", server) for name, server in servers.items()]
        places = {(f"lb/{name}", "127.0.0.1", ports[index]): listeners[index] for name, index in of.items()}
        lab.engine.apply(lab.document(*frontends, *backends), places)

    async def at(index: int) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", ports[index]))
        lab.clients.append(client)
        return client

    apply(a=0, z=1)
    kept = await at(0)
    assert (await kept.get()).body == b"a"
    for where in ({"a": 1, "z": 0}, {"a": 0, "z": 1}):
        apply(**where)
        for name, index in where.items():
            assert (await (await at(index)).get()).body == name.encode()
    apply(a=2, z=0)  # the first goes elsewhere, and the second takes its place
    assert [(await (await at(index)).get()).body for index in (2, 0)] == [b"a", b"z"]
    assert listeners[1].fileno() < 0
    assert (await kept.get()).body == b"a"


# Counters and the access log


@in_lab
async def test_every_request_leaves_one_line_in_the_access_log(lab: Lab):
    async def answer(request: Request) -> bytes:
        await asyncio.sleep(0.01)
        return ok(b"12345")

    await lab.serve(await lab.origin(answer), frontend={"access_log": "json"})
    client = await lab.client()
    await client.get("/a?b", "User-Agent: test", "Referer: http://r/", host="h.example")
    client.send(b"nonsense\r\n\r\n")
    await client.response()
    await client.ended()
    first, second = [json.loads(line) for line in lab.lines]
    response, duration = first.pop("response_ms"), first.pop("duration_ms")
    assert 10 <= response <= duration < 2000
    assert 0 <= first.pop("connect_ms") < 1000
    assert first["bytes"] > 5
    assert first.pop("client_port") == client.writer.get_extra_info("sockname")[1]
    del first["bytes"]
    assert first == {
        "time": "1970-01-01T00:00:00.000Z",
        "client": "127.0.0.1",
        "frontend": "lb/web",
        "backend": "lb/app",
        "server": "s1",
        "scheme": "http",
        "method": "GET",
        "target": "/a?b",
        "version": "HTTP/1.1",
        "host": "h.example",
        "user_agent": "test",
        "referer": "http://r/",
        "status": 200,
        "head_ms": 0.0,
        "queue_ms": 0.0,
        "retries": 0,
        "problem": "",
    }
    assert (second["status"], second["method"], second["server"], second["backend"]) == (400, "", "", "")
    assert "request line" in second["problem"]
    assert second["duration_ms"] < 10
    assert (second["connect_ms"], second["response_ms"]) == (None, None)


@in_lab
async def test_the_line_says_what_a_requests_time_was_spent_on(lab: Lab):
    go_on = asyncio.Event()

    async def answer(_request: Request) -> bytes:
        await go_on.wait()
        return ok()

    await lab.serve(Server("s1", "127.0.0.1", (await lab.origin(answer)).port, max_connections=1), frontend={"access_log": "json"})
    first, second = await lab.client(), await lab.client()
    first.send(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: lab.server()["sessions"] == 1)
    second.send(b"GET /second HTTP/1.1\r\n")
    await until(lambda: lab.web["bytes_in"] > len("GET /first HTTP/1.1\r\nHost: a\r\n\r\n"))
    await lab.skip(1)
    second.send(b"Host: a\r\n\r\n")
    await until(lambda: lab.app["queue"] == 1)
    await lab.skip(2)
    go_on.set()
    for client in (first, second):
        assert (await client.response()).status == 200
    waited, queued = [json.loads(line) for line in lab.lines]
    assert (waited["head_ms"], waited["queue_ms"]) == (0.0, 0.0)
    assert 3000 <= waited["response_ms"] <= waited["duration_ms"] < 4000
    assert 1000 <= queued["head_ms"] < 2000 <= queued["queue_ms"] <= queued["duration_ms"] < 3000
    assert queued["response_ms"] < 1000


@in_lab
async def test_the_line_of_an_upgraded_connection_counts_what_passed_after_the_upgrade(lab: Lab):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nfirst")
        await reader.readexactly(2)
        writer.write(b"y" * 1000)

    await lab.serve(await lab.origin(raw=talk), frontend={"access_log": "json", "upgrades": ("x",)})
    client = await lab.client()
    head = (await client.get("/", "Connection: upgrade", "Upgrade: x")).head
    assert await client.reader.readexactly(5) == b"first"
    client.send(b"go")
    assert await client.reader.readexactly(1000) == b"y" * 1000
    client.writer.close()
    await until(lambda: lab.lines)
    (line,) = [json.loads(line) for line in lab.lines]
    assert (line["status"], line["bytes"]) == (101, len(head) + 1005)
    assert lab.web["bytes_out"] == len(head) + 1005


@in_lab
async def test_the_common_form_is_one_line_each_as_well(lab: Lab):
    await lab.serve(await lab.origin(), frontend={"access_log": "common"})
    client = await lab.client()
    for n in range(3):
        await client.get(f"/{n}")
    assert [line.split('"')[1] for line in lab.lines] == [f"GET /{n} HTTP/1.1" for n in range(3)]


@in_lab
async def test_a_client_that_leaves_early_is_logged_and_gives_its_place_back(lab: Lab):
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx")
        while True:
            writer.write(b"x" * 100)
            await asyncio.sleep(0.01)

    origin: Origin = await lab.origin(raw=hold)
    await lab.serve(origin, frontend={"access_log": "json"})
    client = await lab.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await client.reader.readuntil(b"\r\n\r\n")
    client.writer.close()
    await until(lambda: lab.lines)
    assert json.loads(lab.lines[0])["problem"] == "the client left before its answer was complete"
    await until(lab.nothing_held)


@pytest.mark.parametrize(
    ("sent", "status", "logged"),
    [
        (b"GET /x?y HTTP/1.1\r\nHost: a.example\r\nExpect: z\r\n\r\n", 417, ("GET", "/x?y", "a.example", "HTTP/1.1")),
        (b"DELETE /x HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, ("DELETE", "/x", "", "HTTP/1.0")),
        (b"GET /a\x00b HTTP/1.1\r\nHost: a\r\n\r\n", 400, ("GET", "/a", "a", "HTTP/1.1")),
        (b"\x16\x03\x01", 400, ("", "", "", "")),
    ],
)
@in_lab
async def test_a_refused_request_is_logged_with_what_could_be_read_of_it(lab: Lab, sent: bytes, status: int, logged: tuple[str, ...]):
    await lab.serve(await lab.origin(), frontend={"access_log": "json"})
    client = await lab.client()
    client.send(sent)
    assert (await client.response()).status == status
    await until(lambda: lab.lines)
    line = json.loads(lab.lines[0])
    assert (line["method"], line["target"], line["host"], line["version"]) == logged
    assert (line["status"], line["bytes"] > 0, bool(line["problem"])) == (status, True, True)


@in_lab
async def test_the_retries_in_a_line_are_those_of_its_request_alone(lab: Lab):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        dead = Server("dead", "127.0.0.1", sock.getsockname()[1])
    origin = await lab.origin()
    alive = Server("alive", "127.0.0.1", origin.port)
    await lab.serve(dead, alive, balance="first", frontend={"access_log": "json"})
    client = await lab.client()
    await client.get("/one")
    await lab.serve(alive, frontend={"access_log": "json"})
    await client.get("/two")
    await until(lambda: len(lab.lines) == 2)
    assert [json.loads(line)["retries"] for line in lab.lines] == [1, 0]
