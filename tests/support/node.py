"""A node below a prefix of its own, whose services are real processes started from the checkout, with small shops behind them."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional

from tandem._client import Client
from tandem._model import Backend, Document, FloatingIP, Frontend, HealthCheck, Heartbeat, LoadBalancer, Server
from tandem._model import Node as NodeOption
from tandem._paths import Paths, socket_address
from tandem._store import Store
from tandem.manager.manager import recorded
from tests.support.network import free_port
from tests.support.waiting import until

__all__ = ["free_port", "until"]  # with all that is made here

PROGRAM = Path(__file__).parents[2] / "runtime/tandem/__main__.py"
ADDRESS = "127.0.0.1"
EDGE = LoadBalancer("edge", NodeOption("lb-a", "127.0.0.11"), NodeOption("lb-b", "127.0.0.12"))
UNCHECKED = HealthCheck(type="none")


def document_of(*things: Any) -> Document:
    document = Document()
    for thing in things:
        document = document.with_object(thing)
    return document


def frontend(port: int, name: str = "web", backend: str = "shop", **options: Any) -> Frontend:
    options.setdefault("addresses", (ADDRESS,))
    return Frontend("edge", name, port, default_backend=backend, **options)


def backend(*shops: Any, name: str = "shop", check: HealthCheck = UNCHECKED, **options: Any) -> Backend:
    """Servers "s1", "s2"... at the ports of the shops, or as given."""
    servers = tuple(shop if isinstance(shop, Server) else Server(f"s{number}", ADDRESS, shop.port) for number, shop in enumerate(shops, 1))
    return Backend("edge", name, servers=servers, health_check=check, **options)


class Shop(ThreadingHTTPServer):
    """Answers "NAME"; below /slow only once ``released`` is set."""

    daemon_threads = True

    def __init__(self, name: str = "shop", place: tuple[str, int] = (ADDRESS, 0)) -> None:
        super().__init__(place, _Counter)
        self.name, self.port = name, self.server_address[1]
        self.released, self.asked = threading.Event(), threading.Event()
        self.paths: list[str] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()


class _Counter(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        shop = self.server
        assert isinstance(shop, Shop)
        shop.paths.append(self.path)
        if self.path.startswith("/slow"):
            shop.asked.set()
            shop.released.wait(20)
        self.send_response(200)
        self.send_header("Content-Length", str(len(shop.name)))
        self.end_headers()
        self.wfile.write(shop.name.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to say."""


def get(port: int, path: str = "/", address: str = ADDRESS, timeout: float = 5.0) -> tuple[int, str]:
    """(status, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def refuses(port: int, address: str = ADDRESS) -> bool:
    try:
        socket.create_connection((address, port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended and waits for its parent does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


class Node:
    """Its prefix, its document, and the processes that were started for it; ``close`` ends them, and what they started, by their ids."""

    def __init__(self, folder: Path, name: str = "lb-a") -> None:
        self.prefix = folder
        self.paths = Paths(str(folder))
        self.paths.etc.mkdir(parents=True)
        self.paths.node.write_text(json.dumps({"node": name}))
        self.store = Store(self.paths)
        self.generation = 0
        self.processes: list[subprocess.Popen[bytes]] = []
        self.log = folder / "log"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-I", str(PROGRAM), "--prefix", str(self.prefix), *words]

    def start(self, *words: str, workers: int = 1) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "TANDEM_WORKERS": str(workers)}
            )
        self.processes.append(process)
        return process

    def start_proxy(self, workers: int = 1) -> subprocess.Popen[bytes]:
        process = self.start("proxy", workers=workers)
        until(lambda: "is ready" in self.log.read_text() or process.poll() is not None)
        return process

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """One command of the program, to its end."""
        environment = {**os.environ, "TANDEM_WORKERS": "1"}
        return subprocess.run(
            self.command(*words), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, **options
        )

    @property
    def proxy(self) -> Client:
        return Client(self.paths.proxy_socket, 20.0)

    @property
    def keepalive(self) -> Client:
        return Client(self.paths.keepalive_socket, 20.0)

    def write(self, *things: Any) -> int:
        """Puts a document of these objects on disk and returns its generation."""
        self.generation += 1
        self.store.write(dataclasses.replace(document_of(EDGE, *things), generation=self.generation))
        return self.generation

    def load(self, *things: Any) -> dict[str, Any]:
        return self.proxy.load(self.write(*things))

    def close(self) -> None:
        managed = [recorded(self.paths.run / f"{name}.pid") for name in ("manager", "proxy", "keepalive")]
        family = [pid for pid in managed if pid] + [process.pid for process in self.processes if process.poll() is None]
        for pid in family:
            family += [child for child in children(pid) if child not in family]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.processes:
            process.wait()


@contextlib.contextmanager
def occupied(port: int, address: str = ADDRESS) -> Iterator[int]:
    """Another process listens there; gives its id."""
    code = f"import socket; s = socket.create_server(({address!r}, {port})); print(flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    try:
        assert process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        process.communicate()


class Watch:
    """A connection to /v1/watch; ``lines`` holds (seconds since the start, ready) and ``ended`` tells that the stream has."""

    def __init__(self, node: Node) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        with socket_address(node.paths.proxy_socket) as address:
            self.sock.connect(address)
        self.began = time.monotonic()
        self.sock.sendall(b"GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n")
        self.lines: list[tuple[float, bool]] = []
        self.ended: Optional[float] = None
        self._told = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self.sock.makefile("rb") as stream:
            while stream.readline().strip():
                pass
            with contextlib.suppress(OSError):
                for line in stream:
                    with self._told:
                        self.lines.append((time.monotonic() - self.began, json.loads(line)["ready"]))
                        self._told.notify_all()
        with self._told:
            self.ended = time.monotonic() - self.began
            self._told.notify_all()

    def until(self, condition: Any, seconds: float = 8.0) -> None:
        """Waits until what was told, or its end, fulfils a condition."""
        with self._told:
            assert self._told.wait_for(condition, seconds), f"waited in vain; told was {self.lines}, the end came at {self.ended}"

    def said(self) -> list[bool]:
        """What was told, without repetitions."""
        told = [ready for _when, ready in self.lines]
        return [ready for number, ready in enumerate(told) if number == 0 or told[number - 1] != ready]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


FLOATING = FloatingIP("ip", "127.0.0.100/8", attach="none")
PAIR_KEY = "f" * 16


def pair(port: int) -> LoadBalancer:
    """The load balancer with heartbeats over UDP, whose key lies under PAIR_KEY."""
    return dataclasses.replace(EDGE, floating_ips=("ip",), heartbeat=Heartbeat(transport="udp", port=port, interval_ms=100, key=PAIR_KEY))
