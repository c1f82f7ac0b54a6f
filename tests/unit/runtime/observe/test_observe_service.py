"""The observe listener of a real proxy: figures that agree with what clients counted, who may ask, what strangers send, documents that move it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl

import pytest

from tandem._client import NotRunning
from tandem._model import BackendTimeouts, Certificate, HealthCheck, ObservingUser, Server
from tests.support.certificates import issued
from tests.support.network import free_together
from tests.support.node import ADDRESS, backend, free_port, frontend, get, occupied, refuses, until
from tests.support.observed import ask, metrics, observed, total, value

PASSWORD = "a-password-nobody-may-see"
FILE = "key-" + "f" * 32


@pytest.fixture
def seen(node, shops):
    """A proxy with a shop, two workers, and metrics: (node, port of the frontend, port of the metrics)."""
    shop = shops()
    port, place, gone = free_together(3)
    node.start_proxy(workers=2)
    check = HealthCheck(interval_ms=200, timeout_ms=200, fall=1)
    node.load(observed(place), backend(shop, Server("gone", ADDRESS, gone), check=check), frontend(port))
    return node, port, place


def test_metrics_say_what_the_client_counted_and_go_on_when_a_worker_dies(seen):
    node, port, place = seen
    for number in range(20):
        assert get(port, f"/{number}")[0] == 200
    for openmetrics in (True, False):
        found = metrics(place, openmetrics=openmetrics)
        assert value(found, "tandem_frontend_requests_total", frontend="web") == 20
        assert value(found, "tandem_frontend_responses_total", **{"class": "2xx"}) == 20
        assert value(found, "tandem_server_sessions_total", server="s1") == 20
        assert value(found, "tandem_backend_whole_seconds_count", backend="shop") == 20
        assert value(found, "tandem_backend_first_byte_seconds_count", backend="shop") == 20
        assert value(found, "tandem_backend_connect_seconds_count") == value(found, "tandem_server_connects_total", server="s1")
        assert value(found, "tandem_server_up", server="gone") == 0
        assert value(found, "tandem_keepalive_up") == 0
    until(lambda: total(metrics(place), "tandem_server_checks_failed_total") > 0)
    status = node.proxy.status()
    assert status["frontends"]["edge/web"]["requests"] == 20
    dead = status["workers"][0]["pid"]
    os.kill(dead, signal.SIGKILL)
    until(lambda: dead not in [worker["pid"] for worker in node.proxy.status()["workers"]] and len(node.proxy.status()["workers"]) == 2)
    for number in range(5):
        assert get(port, f"/{number}")[0] == 200
    until(lambda: value(metrics(place), "tandem_frontend_requests_total", frontend="web") == 25)
    assert value(metrics(place), "tandem_frontend_open_connections") == 0


def test_who_waits_for_a_server_is_in_the_histogram_of_the_queue(node, shops):
    shop, (port, place) = shops(), free_together(2)
    balancer = observed(place)
    node.start_proxy()
    node.load(balancer, backend(Server("s1", ADDRESS, shop.port, max_connections=1), timeouts=BackendTimeouts(queue_ms=10_000)), frontend(port))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection((ADDRESS, port))) for _client in range(2)]
        for client in clients:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        until(lambda: value(metrics(balancer.observe.port), "tandem_backend_queued_clients") == 1)
        shop.released.set()
        for client in clients:
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
    until(lambda: value(metrics(balancer.observe.port), "tandem_backend_queue_seconds_count") == 1)


def test_health_is_told_without_a_password_and_all_else_only_with_it(node, shops):
    node.paths.keys.mkdir(parents=True)
    (node.paths.keys / FILE).write_text(PASSWORD)
    balancer = observed(users=(ObservingUser("anna", FILE),))
    place = balancer.observe.port
    node.start_proxy()
    node.load(balancer, backend(shops()), frontend(free_port()))
    assert [ask(place, path)[::2] for path in ("/healthz", "/readyz")] == [(200, "ok\n"), (200, "ready\n")]
    for user in ("", "anna:wrong", "bob:" + PASSWORD, "anna", f"anna:{PASSWORD}x"):
        status, fields, text = ask(place, "/metrics", user=user)
        assert (status, fields["WWW-Authenticate"]) == (401, 'Basic realm="tandem", charset="UTF-8"'), user
        assert PASSWORD not in text
    assert ask(place, "/metrics", Authorization="Basic !!!")[0] == 401
    assert ask(place, "/metrics", user=f"anna:{PASSWORD}", Host="any.name.test")[0] == 200
    assert PASSWORD not in node.log.read_text()


def test_over_tls_a_client_shows_a_certificate_of_the_authority(node, shops, tmp_path):
    authority = issued("Authority", authority=True)
    server, client = issued("lb.test", ("127.0.0.1", "lb.test"), authority), issued("prometheus", (), authority)
    node.paths.keys.mkdir(parents=True)
    (node.paths.keys / FILE).write_text(server.key)
    balancer = observed(certificate="edge", client_ca=authority.pem)
    node.start_proxy()
    node.load(balancer, Certificate("edge", "edge", certificate=server.pem, private_key=FILE), backend(shops()), frontend(free_port()))
    context = ssl.create_default_context(cadata=authority.pem)
    with pytest.raises(OSError):
        ask(balancer.observe.port, "/metrics", context=context)
    (tmp_path / "client.pem").write_text(client.pem + client.key)
    context.load_cert_chain(tmp_path / "client.pem")
    found = metrics(balancer.observe.port, context=context)
    assert value(found, "tandem_certificate_expiry_timestamp_seconds", certificate="edge") > 0
    assert "Traceback" not in node.log.read_text()


STRANGE = {
    b"\x16\x03\x01\x02\x00\x01\x00": 400,
    b"GET /metrics HTTP/1.1\n\n": 400,
    b"GET /metrics HTTP/2.0\r\n\r\n": 505,
    b"GET /metrics HTTP/1.1\r\n\r\n": 400,
    b"GET /metrics HTTP/1.1\r\nHost: evil.test\r\n\r\n": 421,
    b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello": 413,
    b"POST /metrics HTTP/1.1\r\nHost: localhost:9115\r\n\r\n": 405,
    b"GET /nothing HTTP/1.1\r\nHost: [::1]:9115\r\n\r\n": 404,
    b"GET /../etc/passwd HTTP/1.1\r\nHost: [::1]\r\n\r\n": 404,
    b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n": 414,
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200: 431,
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nX": 0,
}


def test_what_is_no_request_or_not_for_this_place_is_refused_and_hurts_nobody(seen):
    node, _port, place = seen
    for sent, status in STRANGE.items():
        with socket.create_connection((ADDRESS, place), timeout=10) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(65536)
        assert answer.split(b" ")[1:2] == [str(status or 400).encode()], (sent[:80], answer[:200])
    status, fields, content = ask(place, "/healthz", method="HEAD")
    assert (status, fields["Content-Length"], content) == (200, "3", "")
    assert "default-src 'none'" in fields["Content-Security-Policy"]
    assert fields["Cache-Control"] == "no-store"
    assert "Traceback" not in node.log.read_text()


def test_a_crowd_that_says_nothing_is_bounded_and_keeps_nobody_out_once_it_is_gone(seen):
    _node, _port, place = seen
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection((ADDRESS, place), timeout=10)) for _client in range(70)]
        assert crowd[-1].recv(1) == b""  # one too many, and not waited for
    until(lambda: _health(place) == 200)


def _health(place):
    with contextlib.suppress(OSError):
        return ask(place, "/healthz")[0]
    return 0


def test_only_networks_that_are_allowed_may_connect(node, shops):
    balancer = observed(allow=("192.0.2.0/24",))
    node.start_proxy()
    node.load(balancer, backend(shops()), frontend(free_port()))
    with socket.create_connection((ADDRESS, balancer.observe.port), timeout=10) as client:
        assert client.recv(1) == b""
    node.load(observed(balancer.observe.port, allow=("127.0.0.0/8",)), backend(shops()), frontend(free_port()))
    assert ask(balancer.observe.port, "/healthz")[0] == 200


def test_a_document_moves_it_and_takes_it_away_and_a_port_that_is_taken_is_a_problem_until_it_is_free(node, shops):
    shop, first = shops(), observed()
    node.start_proxy()
    node.load(first, backend(shop), frontend(free_port()))
    assert ask(first.observe.port, "/healthz")[0] == 200
    taken = free_port()
    with occupied(taken):
        node.load(observed(taken), backend(shop), frontend(free_port()))
        assert refuses(first.observe.port)
        shown = node.proxy.status()["observe"]["edge"]
        assert shown["listening"] == []
        assert f"{ADDRESS}:{taken}: Address already in use" in shown["problems"][0]
        assert shown["problems"][0] in node.run("status").stdout
    until(lambda: node.proxy.status()["observe"]["edge"] == {"listening": [f"{ADDRESS}:{taken}"], "problems": []})
    assert ask(taken, "/healthz")[0] == 200
    assert f"  metrics and dashboard: {ADDRESS}:{taken}\n" in node.run("status").stdout
    node.load(backend(shop), frontend(free_port()))
    assert refuses(taken)
    assert node.proxy.status()["observe"] == {}


def test_a_keepalive_that_hangs_is_waited_for_a_second_and_then_left_out(seen):
    node, _port, place = seen
    node.paths.run.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(node.paths.keepalive_socket))
        deaf.listen()
        with pytest.raises(NotRunning):
            type(node.keepalive)(node.paths.keepalive_socket, 0.1).status()
        until(lambda: value(metrics(place), "tandem_keepalive_up") == 0)
        assert total(metrics(place), "tandem_node_state") == 0
