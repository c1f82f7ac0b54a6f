"""The PROXY protocol with the program that it comes from: HAProxy in front of the node, and HAProxy behind it, in both versions."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tandem._model import HealthCheck, Server
from tests.support.node import ADDRESS, backend, free_port, frontend, refuses, until

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/sbin:/bin")
CONFIG = """global
  maxconn 100
defaults
  mode {mode}
  timeout connect 2s
  timeout client 10s
  timeout server 10s
{rest}"""

pytestmark = pytest.mark.skipif(not HAPROXY, reason="HAProxy is missing (apt-get install haproxy)")


class _Says(BaseHTTPRequestHandler):
    """Who it was told that the client is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        content = (self.headers["X-Forwarded-For"] or "nobody").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def origin():
    server = ThreadingHTTPServer((ADDRESS, 0), _Says)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def haproxy(tmp_path):
    """Starts HAProxy with these sections, listening at the port."""
    processes = []

    def start(port: int, mode: str, rest: str) -> None:
        config = Path(tmp_path) / f"{port}.cfg"
        config.write_text(CONFIG.format(mode=mode, rest=rest))
        processes.append(subprocess.Popen([HAPROXY, "-db", "-f", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        until(lambda: not refuses(port))

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(10)


def asked_from(address: str, port: int, times: int = 2) -> set[tuple[int, str]]:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=5, source_address=(address, 0))
    answers = set()
    try:
        for _turn in range(times):
            connection.request("GET", "/", headers={"Host": "shop"})
            answer = connection.getresponse()
            answers.add((answer.status, answer.read().decode()))
    finally:
        connection.close()
    return answers


@pytest.mark.parametrize("sends", ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn proxy-v2-options crc32c,unique-id,authority"])
def test_haproxy_in_front_says_who_the_client_is_and_its_checks_are_taken(node, haproxy, origin, sends):
    ours, theirs = free_port(), free_port()
    node.start_proxy()
    node.load(backend(Server("s1", ADDRESS, origin)), frontend(ours, accept_proxy_protocol=("127.0.0.0/8",)))
    rest = (
        f"frontend web\n  bind {ADDRESS}:{theirs}\n  unique-id-format %rt\n  default_backend b\n"
        f"backend b\n  server s1 {ADDRESS}:{ours} {sends} check inter 100ms\n"
    )
    haproxy(theirs, "tcp", rest)
    assert asked_from("127.0.0.7", theirs) == {(200, "127.0.0.7")}
    until(lambda: node.proxy.status()["frontends"]["edge/web"]["connections_total"] > 4)  # its checks, which name nobody, or itself
    assert node.proxy.status()["frontends"]["edge/web"]["proxy_headers_bad"] == 0


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("protocol", ["http", "tcp"])
def test_haproxy_behind_takes_our_word_and_our_checks(node, haproxy, origin, version, protocol):
    ours, theirs = free_port(), free_port()
    rest = (
        f"  option forwardfor\nlisten web\n  bind {ADDRESS}:{theirs} accept-proxy\n"
        f"  http-request del-header x-forwarded-for\n  server s1 {ADDRESS}:{origin}\n"
    )
    haproxy(theirs, "http", rest)
    node.start_proxy()
    check = HealthCheck(type="http", interval_ms=1000)
    behind = backend(Server("s1", ADDRESS, theirs), protocol=protocol, proxy_protocol=version, check=check)
    node.load(behind, frontend(ours, protocol=protocol))
    until(lambda: node.proxy.status()["backends"]["edge/shop"]["servers"]["s1"]["state"] == "up")
    for address in ("127.0.0.7", "127.0.0.8"):
        assert asked_from(address, ours) == {(200, address)}
