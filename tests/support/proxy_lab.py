"""A proxy engine on real loopback sockets, its reactor in a thread, with origins that do as they are told and clients that read strictly."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
import socket
import ssl
import struct
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Optional, Union

from tandem._model import Backend, BackendTimeouts, Document, Frontend, FrontendTimeouts, HealthCheck, Server
from tandem.proxy.context import Context
from tandem.proxy.reactor import Reactor
from tandem.proxy.service.counters import summed
from tandem.proxy.worker.engine import Engine
from tandem.tls.contexts import KeyPair

TEST_S = 20.0


def in_lab(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs an asynchronous test with a fresh ``Lab`` as its first argument; the others are pytest's."""

    async def scenario(*args: Any, **kwargs: Any) -> None:
        lab = Lab()
        try:
            await asyncio.wait_for(test(lab, *args, **kwargs), TEST_S)
        finally:
            await lab.close()
        assert lab.broken == []

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(scenario(*args, **kwargs))

    signature = inspect.signature(test)
    run.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    return run


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Waits until a condition holds; fails the test when it does not come to hold."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain for: " + inspect.getsource(condition).strip()
        await asyncio.sleep(0.005)


def reset(writer: asyncio.StreamWriter) -> None:
    """Breaks a connection off."""
    sock = None if writer.transport.is_closing() else writer.get_extra_info("socket")
    if sock is not None:  # Python 3.9 forgets it with a TLS connection that has ended
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()  # type: ignore[attr-defined]


class Request:
    """What an origin has read."""

    def __init__(self, head: bytes, body: bytes, connection: int) -> None:
        self.head, self.body, self.connection = head, body, connection
        self.lines = head.split(b"\r\n")[:-2]
        self.method, self.target, _version = self.lines[0].split(b" ")

    def __getitem__(self, name: str) -> bytes:
        """A field's values, joined; b"" when missing."""
        pairs = [line.split(b":", 1) for line in self.lines[1:]]
        return b", ".join(value.strip() for key, value in pairs if key.lower() == name.lower().encode())


def ok(body: bytes = b"ok", *fields: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n" % (len(body), b"".join(field + b"\r\n" for field in fields)) + body


Answer = Callable[[Request], Union[bytes, Awaitable[Optional[bytes]], None]]
Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Origin:
    """A server: ``answer`` gives each request's response, or None to close without one. ``raw`` has the connection to itself instead."""

    def __init__(self, answer: Optional[Answer] = None, raw: Optional[Raw] = None, tls: Optional[ssl.SSLContext] = None) -> None:
        self.tls = tls
        self.answer: Answer = answer or (lambda request: ok(request.method + b" " + request.target))
        self.raw = raw
        self.requests: list[Request] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.problems: list[BaseException] = []
        self.port = 0

    async def start(self) -> Origin:
        self.server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, limit=1 << 17, ssl=self.tls)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        self.writers.append(writer)
        try:
            await (self.raw(reader, writer) if self.raw else self._serve(reader, writer, self.connections))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the proxy has left
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - shown by the test that owns this origin
            self.problems.append(error)
        finally:
            self.tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while True:
            request = Request(await reader.readuntil(b"\r\n\r\n"), b"", number)
            request.body = await read_body(reader, request)
            self.requests.append(request)
            answer = self.answer(request)
            if inspect.isawaitable(answer):
                answer = await answer
            if answer is None:
                return
            writer.write(answer)  # type: ignore[arg-type]
            await writer.drain()

    def hang_up(self) -> None:
        """Closes every connection that stands."""
        for writer in self.writers:
            writer.close()
        self.writers.clear()

    async def stop(self) -> None:
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
        self.hang_up()


async def read_body(reader: asyncio.StreamReader, message: Union[Request, Response]) -> bytes:
    if message["transfer-encoding"]:
        return await read_chunks(reader)
    return await reader.readexactly(int(message["content-length"] or 0))


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        if not size:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass  # a trailer field
            return body
        body += await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"


class Response:
    def __init__(self, head: bytes) -> None:
        self.head = head
        self.lines = head.split(b"\r\n")[:-2]
        found = re.fullmatch(rb"HTTP/1\.1 ([0-9]{3}) (.*)", self.lines[0])
        assert found, head
        self.status = int(found[1])
        self.body = b""

    __getitem__ = Request.__getitem__


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def response(self, method: bytes = b"GET") -> Response:
        response = Response(await self.reader.readuntil(b"\r\n\r\n"))
        if method == b"HEAD" or response.status < 200 or response.status in (204, 304):
            return response
        if response["transfer-encoding"] or response["content-length"]:
            response.body = await read_body(self.reader, response)
        else:
            response.body = await self.reader.read(-1)
        return response

    async def get(self, target: str = "/", *fields: str, method: str = "GET", host: str = "a", body: bytes = b"") -> Response:
        """One whole exchange."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, *([f"Content-Length: {len(body)}"] if body else [])]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)
        return await self.response(method.encode())

    async def ended(self, seconds: float = 5.0) -> bytes:
        """What still comes until the proxy closes in order."""
        return await asyncio.wait_for(self.reader.read(-1), seconds)

    async def reset(self) -> bytes:
        """What still comes until the proxy breaks off; an orderly end fails the test."""
        got = b""
        try:
            while True:
                piece = await asyncio.wait_for(self.reader.read(65536), 5)
                assert piece, f"an orderly end after {got!r}"
                got += piece
        except ConnectionResetError:
            return got


class InReactor:
    """An engine whose methods are called in its reactor's thread; what they return, or raise, comes back."""

    def __init__(self, engine: Engine, reactor: Reactor) -> None:
        self._engine, self._reactor = engine, reactor

    def call(self, function: Callable[[], Any]) -> Any:
        done, outcome = threading.Event(), []

        def work() -> None:
            try:
                outcome.append((function(), None))
            except Exception as error:  # noqa: BLE001 - raised where it was called
                outcome.append((None, error))
            done.set()

        self._reactor.wake(work)
        assert done.wait(10), "the reactor does not turn"
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._engine, name)
        if not callable(attribute) or name.startswith("_"):
            return attribute
        return lambda *args, **kwargs: self.call(lambda: attribute(*args, **kwargs))

    async def drained(self, within_s: float = 5.0) -> None:
        """Drains the engine; returns when all connections have ended."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self.drain(lambda: loop.call_soon_threadsafe(ended.set))
        await asyncio.wait_for(ended.wait(), within_s)


class Lab:
    """One engine with one frontend, "lb/web", and one backend, "lb/app"; more by ``document``."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._warnings: list[str] = []
        self.broken: list[str] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: self.broken.append(repr(context)))
        self._skipped_s = 0.0
        self.reactor = Reactor(lambda: time.monotonic() + self._skipped_s, on_error=self._mistake)
        self.context = Context(self.reactor, self._lines.append, self._warnings.append, wall_clock=lambda: 0.0)
        self.engine = InReactor(Engine(self.context, self._announce), self.reactor)
        self.announced: Callable[[str, Any], None] = lambda _backend, _bindings: None
        self._thread = threading.Thread(target=self.reactor.run, name="reactor", daemon=True)
        self._thread.start()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.listener.getsockname()[1]
        self.origins: list[Origin] = []
        self.clients: list[Client] = []
        self.certificates: dict[str, KeyPair] = {}  # by key, with which the document is applied
        self.passwords: dict[str, str] = {}  # hashes by fingerprint, likewise

    def _mistake(self, error: Exception) -> None:
        self.broken.append("".join(traceback.format_exception(type(error), error, error.__traceback__)))

    def _announce(self, backend: str, bindings: Any) -> None:
        self.announced(backend, bindings)

    async def origin(self, answer: Optional[Answer] = None, raw: Optional[Raw] = None, tls: Optional[ssl.SSLContext] = None) -> Origin:
        origin = await Origin(answer, raw, tls).start()
        self.origins.append(origin)
        return origin

    async def serve(self, *origins: Union[Origin, Server], frontend: Optional[dict[str, Any]] = None, **backend: Any) -> None:
        """Starts the engine, or changes its document: servers "s1", "s2"... Options as the model names them; timeouts as plain dicts."""
        servers = tuple(o if isinstance(o, Server) else Server(f"s{n}", "127.0.0.1", o.port) for n, o in enumerate(origins, 1))
        self.apply(self.document(self.frontend(**(frontend or {})), self.backend("app", *servers, **backend)))

    def backend(self, name: str, *servers: Server, **options: Any) -> Backend:
        options.setdefault("health_check", HealthCheck(type="none"))
        timeouts = BackendTimeouts(**options.pop("timeouts", {}))
        return Backend("lb", name, servers=servers, timeouts=timeouts, **options)

    def frontend(self, name: str = "web", **options: Any) -> Frontend:
        timeouts = FrontendTimeouts(**options.pop("timeouts", {}))
        return Frontend("lb", name, self.port, ("127.0.0.1",), **{"default_backend": "app", **options}, timeouts=timeouts)

    def document(self, *things: Any) -> Document:
        document = Document()
        for thing in things:
            document = document.with_object(thing)
        return document

    def apply(self, document: Document) -> None:
        listeners = {(key, "127.0.0.1", self.port): self.listener for key in document.frontends}
        self.engine.apply(document, listeners, certificates=self.certificates, passwords=self.passwords, ticket_keys=b"k" * 80)

    async def client(self, address: str = "127.0.0.1", tls: Optional[ssl.SSLContext] = None, name: str = "") -> Client:
        """A client that comes from this address; with ``tls`` it asks for this name."""
        options = {"ssl": tls, "server_hostname": name} if tls is not None else {}
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 17, local_addr=(address, 0), **options))
        self.clients.append(client)
        return client

    @property
    def lines(self) -> list[str]:
        """Of the access log; what the engine was doing when this is asked is done first."""
        return self.engine.call(lambda: self._lines)  # type: ignore[no-any-return]

    @property
    def warnings(self) -> list[str]:
        return self.engine.call(lambda: self._warnings)  # type: ignore[no-any-return]

    async def skip(self, seconds: float) -> None:
        """Lets so much time pass for the engine at once: what is due in it happens, and nobody waits. What is on its way is let through first."""
        for _turn in range(3):
            self.engine.call(lambda: None)
            await asyncio.sleep(0.002)
        self._skipped_s += seconds
        for _turn in range(3):  # a turn that sees the new time, and one in which what was due has its effect
            self.engine.call(lambda: None)
            await asyncio.sleep(0)

    def connections(self, frontend: str = "lb/web") -> list[Any]:
        """The client connections that stand, as the engine has them."""
        return list(self.engine._frontends[frontend].clients)

    def counted(self) -> dict[str, Any]:
        """All counters and gauges, by key of frontend and backend."""
        return self.engine.call(lambda: summed(self.engine._engine.stats()))  # type: ignore[no-any-return]

    @property
    def web(self) -> dict[str, int]:
        counters: dict[str, int] = self.counted()["frontends"]["lb/web"]
        return counters

    @property
    def app(self) -> dict[str, Any]:
        counters: dict[str, Any] = self.counted()["backends"]["lb/app"]
        return counters

    def server(self, name: str = "s1") -> dict[str, int]:
        counters: dict[str, int] = self.app["servers"][name]
        return counters

    def nothing_held(self) -> bool:
        """Whether no client, no place at a server and no waiting is left over."""
        stats = self.counted()
        return all(not backend["sessions"] and not backend["queue"] for backend in stats["backends"].values()) and all(
            not frontend["connections"] for frontend in stats["frontends"].values()
        )

    async def close(self) -> None:
        """All that was opened is closed, also where something is held that should not be, which is an AssertionError."""
        try:
            for client in self.clients:
                reset(client.writer)
            if self.counted()["frontends"]:
                await until(self.nothing_held)
        finally:
            self.engine.close()
            self.reactor.wake(self.reactor.stop)
            self._thread.join(5)
            self.listener.close()
            for origin in self.origins:
                await origin.stop()
            for _turn in range(3):
                await asyncio.sleep(0)
        assert not self._thread.is_alive(), "the reactor does not end"
        self.reactor.dispose()
        problems = [problem for origin in self.origins for problem in origin.problems]
        assert not problems, problems


async def named(lab: Lab, *names: str) -> list[Server]:
    """Servers that answer with their name."""
    return [Server(name, "127.0.0.1", (await lab.origin(lambda _request, name=name: ok(name.encode()))).port) for name in names]


async def seen(client: Client, count: int, *fields: str) -> set[bytes]:
    return {(await client.get("/", *fields)).body for _turn in range(count)}
