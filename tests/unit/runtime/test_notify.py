"""The proxy under a service manager, whose part this test takes: readiness, watchdog, and listening sockets that outlive the process."""

from __future__ import annotations

import array
import dataclasses
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tandem import _model as model
from tandem._paths import Paths
from tandem._store import Store

PROGRAM = [sys.executable, "-I", str(Path(__file__).resolve().parents[3] / "runtime" / "tandem" / "__main__.py")]
# systemd passes kept sockets from descriptor 3 on, and says whom they are for (sd_listen_fds(3)); only the new process knows its own id.
HAND_OVER = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])"


class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_arguments):
        pass


class Manager:
    """Starts the proxy as systemd does, and takes down what it is told."""

    def __init__(self, folder):
        self.paths = Paths(str(folder / "node"))
        self.told = []
        self.store = {}
        self._address = f"{folder}/notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._address)
        self._process = None

    def start(self):
        kept = sorted(descriptor for descriptors in self.store.values() for descriptor in descriptors)
        environment = {**os.environ, "NOTIFY_SOCKET": self._address, "WATCHDOG_USEC": "300000", "TANDEM_WORKERS": "1", "LISTEN_FDS": str(len(kept))}
        # They move to 3, 4, ... without stepping on one another, since they lie higher.
        assert all(descriptor > 3 + len(kept) for descriptor in kept)

        def place():
            for number, descriptor in enumerate(kept, start=3):
                os.dup2(descriptor, number)

        self._process = subprocess.Popen(
            [sys.executable, "-c", HAND_OVER, *PROGRAM, "--prefix", self.paths.prefix, "proxy"],
            env=environment,
            preexec_fn=place,  # noqa: PLW1509 - one thread
            pass_fds=range(3, 3 + len(kept)),
            stdin=subprocess.DEVNULL,
        )

    def hear(self, line, within=10.0):
        """Listens until the service says ``line``."""
        deadline = time.monotonic() + within
        while line not in self.told:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            content, ancillary, _flags, _address = self._socket.recvmsg(4096, socket.CMSG_SPACE(4))
            said = content.decode().split("\n")
            self.told += said
            self._keep(said, ancillary)

    def _keep(self, said, ancillary):
        name = next((entry.partition("=")[2] for entry in said if entry.startswith("FDNAME=")), "")
        for _level, _kind, data in ancillary:
            descriptors = array.array("i", data).tolist()
            self.store.setdefault(name, []).extend(_move_up(descriptor) for descriptor in descriptors)
        if "FDSTOREREMOVE=1" in said:
            for descriptor in self.store.pop(name, []):
                os.close(descriptor)

    def kill(self):
        self._process.kill()
        self._process.wait(timeout=10)

    def close(self):
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._socket.close()
        for descriptors in self.store.values():
            for descriptor in descriptors:
                os.close(descriptor)


def _move_up(descriptor):
    """A copy with a high number: those from 3 on are where sockets are handed over."""
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 60)
    os.close(descriptor)
    return high


@pytest.fixture
def origin():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path)
    yield made
    made.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def document(port, origin, enabled=True, generation=1):
    """A frontend on an address that is there already, so that it is bound at load."""
    objects = [
        (model.FloatingIP, {"name": "vip", "address": "127.0.0.1/8"}),
        (
            model.LoadBalancer,
            {
                "name": "edge",
                "floating_ips": ["vip"],
                "master": {"node": "lb-a", "address": "127.0.0.11"},
                "backup": {"node": "lb-b", "address": "127.0.0.12"},
            },
        ),
        (model.Backend, {"load_balancer": "edge", "name": "shop", "port": origin, "servers": [{"name": "app-1", "address": "127.0.0.1"}]}),
        (model.Frontend, {"load_balancer": "edge", "name": "web", "port": port, "default_backend": "shop", "enabled": enabled}),
    ]
    made = model.Document()
    for kind, options in objects:
        made = made.with_object(model.from_options(kind, options))
    return dataclasses.replace(made, generation=generation)


def test_readiness_and_life_are_told_and_a_listener_outlives_the_process_with_the_clients_that_wait_in_it(manager, origin):
    port = free_port()
    Store(manager.paths).write(document(port, origin))
    manager.start()
    manager.hear("READY=1")
    assert list(manager.store) == [f"127.0.0.1-{port}"]
    manager.hear("WATCHDOG=1")
    manager.kill()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        manager.told.clear()
        manager.start()
        manager.hear("READY=1")
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"hello")
    assert not any(said.startswith("FDSTORE") for said in manager.told), "the socket that was kept is used, not a second one"


def test_a_kept_listener_that_the_document_no_longer_asks_for_is_closed(manager, origin):
    port = free_port()
    Store(manager.paths).write(document(port, origin))
    manager.start()
    manager.hear("READY=1")
    manager.kill()
    Store(manager.paths).write(document(port, origin, enabled=False, generation=2))
    manager.told.clear()
    manager.start()
    manager.hear("READY=1")
    assert manager.store == {}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)
