"""What an exchange costs in the data path alone, without a kernel: ``python -m tests.bench.profile``; with ``--profile`` where the time goes.

The engine and its reactor are real; sockets and epoll are not: they say what clients and a server would, in turns of 32 connections, and take all
that is sent. So there is no noise of system calls, and a change of a microsecond is seen. Run it with the Python that is of interest, as that of the
distribution (``/usr/bin/python3 -m tests.bench.profile``), and judge what it promises by ``make bench``.
"""

from __future__ import annotations

import argparse
import cProfile
import errno
import gc
import itertools
import pstats
import select
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Optional

CONNECTIONS = 32  # as many as wrk has in the benchmark, and as a reactor accepts in one turn
_PORT = 80
_DIFFERENT = 1024  # heads, before they come again
_TURN_S = 1e-4  # of the clock that the reactor is given
_SHOWN = 30

_REQUEST = "GET /small HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n{more}\r\n"
_ANSWER = (
    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Thu, 26 Nov 2026 17:{time} GMT\r\nContent-Type: text/plain\r\nContent-Length: 128\r\n"
    'Last-Modified: Thu, 26 Nov 2026 17:00:00 GMT\r\nConnection: keep-alive\r\nETag: "6b087{number:03d}-80"\r\nAccept-Ranges: bytes\r\n\r\n'
    + "x"
    * 128
)


class Peer:
    """A socket whose other side says ``following`` when it is read, and has taken what is sent at once."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.following = b""
        self.taken = b""

    def fileno(self) -> int:
        return self.number

    def recv(self, _bytes_max: int) -> bytes:
        data, self.following = self.following, b""
        if not data:
            raise BlockingIOError(errno.EAGAIN, "nothing is there")
        return data

    def send(self, data: bytes) -> int:
        self.taken = data
        return len(data)

    def setblocking(self, _blocking: bool) -> None:
        """It never blocks."""

    def setsockopt(self, *_option: Any) -> None:
        """There is nothing to set."""

    def shutdown(self, _how: int) -> None:
        """Nobody sees it."""

    def close(self) -> None:
        """Nobody sees it."""


class Listener(Peer):
    """A listening socket with those who wait to be accepted."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.waiting: list[Peer] = []

    def accept(self) -> tuple[Peer, tuple[str, int]]:
        if not self.waiting:
            raise BlockingIOError(errno.EAGAIN, "nobody is there")
        return self.waiting.pop(), ("127.0.0.1", 50000)


class Poll:
    """An epoll that says what it is told to."""

    def __init__(self) -> None:
        self.events: list[tuple[int, int]] = []

    def register(self, *_place: int) -> None:
        """All are told what there is, watched or not."""

    modify = unregister = register

    def poll(self, _wait_s: float, _most: int) -> list[tuple[int, int]]:
        return self.events


class DataPath:
    """The data path with CONNECTIONS clients and as many kept connections to one server."""

    def __init__(self, options: dict[str, Any]) -> None:
        """``options``: further ones of the frontend."""
        from tandem._model import Backend, Document, Frontend, HealthCheck, Server
        from tandem.proxy.context import Context
        from tandem.proxy.flow.server import ServerConnection
        from tandem.proxy.reactor import Reactor
        from tandem.proxy.worker.engine import Engine

        ticks = itertools.count(1)
        self._reactor = Reactor(clock=lambda: next(ticks) * _TURN_S)
        self._poll = self._reactor._poll = Poll()
        self._clients = [Peer(10_000 + number) for number in range(CONNECTIONS)]
        self._servers = [Peer(20_000 + number) for number in range(CONNECTIONS)]
        self._listener = Listener(30_000)
        context = Context(self._reactor, print, print)
        engine = Engine(context)
        backend = Backend("bench", "origin", servers=(Server("origin", "127.0.0.1", 1),), health_check=HealthCheck(type="none"))
        frontend = Frontend("bench", "web", _PORT, ("127.0.0.1",), default_backend="origin", **options)
        engine.apply(Document().with_object(backend).with_object(frontend), {("bench/web", "127.0.0.1", _PORT): self._listener})
        server = engine._backends["bench/origin"].servers["origin"]
        for peer in self._servers:
            connection = ServerConnection(context, peer, None, server, server.place)
            connection.begin()
            connection.to_pool()
        self._events = {peer: (peer.number, select.EPOLLIN) for peer in (*self._clients, *self._servers, self._listener)}

    def connect(self) -> None:
        self._listener.waiting = self._clients[:]
        self._turn([self._listener])

    def exchange(self, requests: list[bytes], answers: list[bytes]) -> None:
        """One request of each client, and the server's answer to it."""
        for client, request in zip(self._clients, requests):
            client.following = request
        self._turn(self._clients)
        for server, answer in zip(self._servers, answers):
            server.following = answer
        self._turn(self._servers)

    def _turn(self, ready: list[Any]) -> None:
        self._poll.events = [self._events[peer] for peer in ready]
        self._reactor.turn(0.0)

    def check(self) -> None:
        """That the exchanges were what they are taken for."""
        for client in self._clients:
            if not client.taken.startswith(b"HTTP/1.1 200 OK\r\n") or not client.taken.endswith(b"x" * 128):
                sys.exit(f"An exchange failed: a client was sent {client.taken[:300]!r}")


def many_rules() -> dict[str, Any]:
    """1,000 routes, the last but one for the host that is asked for, and an ACL of 10,000 networks."""
    from tandem._model import Acl, Route

    hosts = [f"h{number}.test" for number in range(998)]
    networks = tuple(f"10.{number >> 8}.{number & 255}.0/25" for number in range(10_000))
    routes = tuple(Route(host=host, backend="origin") for host in (*hosts, "127.0.0.1", "last.test"))
    return {"routes": routes, "acls": (Acl(sources=networks),)}


def header_rules(count: int) -> dict[str, Any]:
    """As sites have them: most are the same for all, some name the client or repeat what it sent; half are for requests, half for answers."""
    from tandem._model import HeaderRule

    values = itertools.cycle(("nosniff", "max-age=0", "%{client_address}", "%{host}", "%{scheme}"))
    rules = tuple(HeaderRule("set", f"X-Rule-{number}", next(values)) for number in range(count))
    return {"request_headers": rules[: count - count // 2], "response_headers": rules[count - count // 2 :]}


def heads(kind: str) -> list[tuple[list[bytes], list[bytes]]]:
    """Requests and answers of each turn, which are gone through again and again."""
    if kind != "different":
        more = "Connection: close\r\n" if kind == "new" else ""
        return [([_REQUEST.format(more=more).encode()] * CONNECTIONS, [_ANSWER.format(time="00:00", number=0).encode()] * CONNECTIONS)]
    requests = [_REQUEST.format(more=f"X-Request-ID: {number:016d}\r\n").encode() for number in range(_DIFFERENT)]
    answers = [_ANSWER.format(time=f"{number // 60:02d}:{number % 60:02d}", number=number).encode() for number in range(_DIFFERENT)]
    return [(requests[at : at + CONNECTIONS], answers[at : at + CONNECTIONS]) for at in range(0, _DIFFERENT, CONNECTIONS)]


class Load:
    """Exchanges of one kind; a turn passes CONNECTIONS of them."""

    def __init__(self, kind: str, options: Optional[dict[str, Any]] = None) -> None:
        self._path = DataPath(options or {})
        self._anew = kind == "new"
        self._heads = itertools.cycle(heads(kind))
        if not self._anew:
            self._path.connect()
        self.turn()
        self.check()

    def turn(self) -> None:
        if self._anew:
            self._path.connect()
        self._path.exchange(*next(self._heads))

    def check(self) -> None:
        self._path.check()


KINDS = {"equal": "equal heads", "different": "all heads different", "new": "a new connection each"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profile", description="What an exchange costs in the data path alone.")
    parser.add_argument("--runtime", type=Path, default=Path(__file__).resolve().parents[2] / "runtime", help="the folder that holds the package")
    parser.add_argument("--rounds", type=int, default=50, help="how often each is measured (50)")
    parser.add_argument("--exchanges", type=int, default=3200, help="in a round (3200)")
    parser.add_argument("--rules", action="store_true", help="also with 1,000 routes and an ACL of 10,000 networks")
    parser.add_argument("--headers", type=int, default=0, metavar="N", help="also with N rules about fields")
    parser.add_argument("--profile", choices=list(KINDS), help="show the functions that take most of the time instead")
    options = parser.parse_args()
    sys.path.insert(0, str(options.runtime.resolve()))
    count = max(1, options.exchanges // CONNECTIONS)
    if options.profile:
        stated = {**(many_rules() if options.rules else {}), **(header_rules(options.headers) if options.headers else {})}
        _profile(Load(options.profile, stated), count * options.rounds)
        return
    for kind, words in KINDS.items():
        loads = {"": Load(kind)}
        if options.rules:
            loads[" with many rules"] = Load(kind, many_rules())
        if options.headers:
            loads[f" with {options.headers} header rules"] = Load(kind, header_rules(options.headers))
        gc.collect()
        gc.freeze()  # what is there by now is there for good, in a worker too
        found: dict[str, list[float]] = {name: [] for name in loads}
        for _round in range(options.rounds):
            for name, load in loads.items():
                found[name].append(_timed(load, count))
        for name, times in found.items():
            loads[name].check()
            median = f"{statistics.median(times):.2f} µs in the median"
            print(f"{words}{name}: {min(times):.2f} µs per exchange in the best of {options.rounds} rounds, {median}")


def _timed(load: Load, count: int) -> float:
    began = time.process_time()
    for _turn in range(count):
        load.turn()
    return (time.process_time() - began) / (count * CONNECTIONS) * 1e6


def _profile(load: Load, count: int) -> None:
    profile = cProfile.Profile()
    profile.enable()
    for _turn in range(count):
        load.turn()
    profile.disable()
    print(f"{count * CONNECTIONS} exchanges; the profiler itself makes calls look dearer than they are.")
    pstats.Stats(profile).sort_stats("tottime").print_stats(_SHOWN)


if __name__ == "__main__":
    main()
