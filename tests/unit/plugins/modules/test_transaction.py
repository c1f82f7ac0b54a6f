"""How a module tells the running services: proxy first, and the former document back in force when one refuses."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from plugins.module_utils._paths import socket_address
from tests.support.disk import fill, small_disk
from tests.support.objects import ALL, BACKEND

RUN = "run/tandem"


class Service(socketserver.ThreadingUnixStreamServer):
    """A control socket that takes every generation but those in ``refuses``. ``failure``: what it could not do with that of its start."""

    daemon_threads = True

    problems = ()  # of the frontend

    def __init__(self, path, refuses, log, failure=""):
        self.refuses, self.log, self.name, self.generation, self.failure = refuses, log, path.stem, 1, failure
        with socket_address(path) as address:  # workers have folders of their own, whose paths are long
            super().__init__(address, Answers)


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *_arguments):
        """Nothing to say."""

    def do_GET(self):
        frontends = {"edge/web": {"listening": [], "problems": list(self.server.problems)}}
        self.answer(200, {"generation": self.server.generation, "failure": self.server.failure, "frontends": frontends})

    def do_POST(self):
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["generation"]
        self.server.log.append((self.server.name, wanted))
        if wanted in self.server.refuses:
            self.answer(409, {"error": {"message": "port 80 is taken", "problems": ["192.0.2.100:80: Address already in use"]}})
            return
        self.server.generation, self.server.failure = wanted, ""
        self.answer(200, {"generation": wanted, "digest": ""})

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def services(host, seed):
    """Starts both services on the filled host. ``start(proxy=..., keepalive=...)``: generations they refuse; ``failure``: what keepalive lacks."""
    seed(host, ALL)
    (host.prefix / RUN).mkdir(parents=True)
    log = []
    with contextlib.ExitStack() as stack:

        def start(proxy=(), keepalive=(), failure=""):
            for name, refuses, lacking in (("proxy", proxy, ""), ("keepalive", keepalive, failure)):
                service = stack.enter_context(Service(host.prefix / RUN / f"{name}.sock", refuses, log, lacking))
                threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
                stack.callback(service.shutdown)
            return log

        yield start


def test_a_change_is_loaded_by_the_proxy_first_and_nothing_is_loaded_without_one(host, services):
    log = services()
    assert host.run("backend", **BACKEND, max_retries=4).result["changed"] is True
    assert log == [("proxy", 2), ("keepalive", 2)]
    assert host.run("backend", **BACKEND, max_retries=4).result["changed"] is False
    assert len(log) == 2


def test_a_frontend_that_clients_cannot_reach_is_a_warning_that_names_who_holds_the_port(host, services, monkeypatch):
    services()
    told = 'frontend "edge/web": port 80 on 192.0.2.100 is taken by nginx (process 4711). Give another port or address, or stop what listens there.'
    monkeypatch.setattr(Service, "problems", (told,))
    for module, options in (("backend", {**BACKEND, "max_retries": 4}), ("config", {"backends": [BACKEND]})):
        answer = host.run(module, **options)
        assert any(told in str(warning) for warning in answer.result.get("warnings", ())), answer.output


@pytest.mark.parametrize("who", ["proxy", "keepalive"])
def test_a_refused_document_leaves_the_former_one_in_force_and_tells_the_reason(host, services, who):
    log = services(**{who: (2,)})
    desired = host.prefix / "etc/tandem/desired.json"
    before = desired.read_bytes()
    secrets = sorted((host.prefix / "etc/tandem/secrets").iterdir())
    answer = host.run("load_balancer_info")
    assert answer.result["services"]["proxy"]["running"] is True
    refused = host.run("backend", **BACKEND, max_retries=4)
    assert refused.result["failed"] is True
    assert "port 80 is taken" in refused.result["msg"]
    assert "former document is in force again" in refused.result["msg"]
    assert refused.result["problems"] == ["192.0.2.100:80: Address already in use"]
    assert desired.read_bytes() == before
    assert sorted((host.prefix / "etc/tandem/secrets").iterdir()) == secrets
    assert log[-2:] == [("proxy", 1), ("keepalive", 1)]


FAILING = """
from ansible_collections.tandem.lb.plugins.module_utils import _store

def fail(*_arguments):
    raise {error}

_store.Store.{step} = fail
"""


def test_a_reason_of_the_runtime_is_told_also_where_the_former_document_cannot_be_put_back(host, services):
    services(proxy=(2,))
    failing = dataclasses.replace(host, before=FAILING.format(error="_store.StoreError('desired.json: cannot put it back.')", step="restore"))
    refused = failing.run("backend", **BACKEND, max_retries=4)
    assert refused.result["msg"] == "The runtime refused the new document: port 80 is taken. desired.json: cannot put it back."


@pytest.mark.parametrize(
    ("step", "module", "options"),
    [
        ("prune_history", "backend", {**BACKEND, "max_retries": 4}),
        ("remove_secret", "load_balancer", {"name": "edge", "heartbeat": {"key": "another key of both nodes"}}),
        ("write_record", "load_balancer", {"name": "edge", "description": "the first"}),
    ],
)
def test_what_fails_once_a_change_is_in_force_is_a_warning(host, seed, step, module, options):
    seed(host, ALL)
    host.run("runtime")
    failing = dataclasses.replace(host, before=FAILING.format(error="OSError(28, 'No space left on device', 'there')", step=step))
    peers = {"known": {"lb-b": {"boot": "another"}}}
    done = failing.run(module, **options, tandem_peers=peers)
    assert (done.result.get("changed"), done.result.get("generation")) == (True, 2), done.output
    assert any("something was left undone" in str(warning) and "there" in str(warning) for warning in done.result["warnings"])
    assert json.loads((host.prefix / "etc/tandem/desired.json").read_bytes())["generation"] == 2


def test_on_a_full_disk_neither_document_nor_secrets_change(host, seed):
    with small_disk(host.prefix / "etc") as disk:
        seed(host, ALL)
        host.run("runtime")
        fill(disk)
        kept = {path: path.read_bytes() for path in (disk / "tandem").rglob("*") if path.is_file() and path.name != "lock"}
        for module, options, path in (
            ("backend", {**BACKEND, "max_retries": 4}, "etc/tandem/history/desired-1.json"),
            ("load_balancer", {"name": "edge", "heartbeat": {"key": "another key of both nodes"}}, "etc/tandem/secrets/"),
        ):
            refused = host.run(module, **options)
            assert refused.result.get("failed") is True, refused.output
            for word in (path, "No space left on device. Free some space", "What was in force stays in force."):
                assert word in refused.result["msg"]
        left = {path: path.read_bytes() for path in (disk / "tandem").rglob("*") if path.is_file() and path.name != "lock"}
        assert left == kept
        host.stop()


def test_a_service_that_runs_another_generation_is_brought_to_the_one_on_disk(host, services, seed):
    log = services()
    host.run("backend", **BACKEND, max_retries=4)
    seed(host, ALL)
    assert host.run("backend", check=True, **BACKEND).result["changed"] is True
    assert len(log) == 2
    assert host.run("backend", **BACKEND).result["changed"] is True
    assert log[2:] == [("proxy", 1), ("keepalive", 1)]
    assert host.run("backend", **BACKEND).result["changed"] is False


def test_a_service_that_could_not_begin_with_the_document_is_asked_again_and_says_why_not(host, services):
    log = services(failure='load balancer "edge": no interface', keepalive=(1,))
    assert host.run("backend", check=True, **BACKEND).result["changed"] is True
    refused = host.run("backend", **BACKEND)
    assert "The runtime refused: port 80 is taken" in refused.result["msg"]
    assert log == [("proxy", 1), ("keepalive", 1)]


def test_the_socket_that_a_killed_service_left_behind_is_no_running_service(host, seed):
    seed(host, ALL)
    (host.prefix / RUN).mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left, socket_address(host.prefix / RUN / "proxy.sock") as address:
        left.bind(address)
    answer = host.run("backend", **BACKEND, max_retries=4)
    assert (answer.result.get("changed"), answer.result.get("generation")) == (True, 2), answer.output
    assert host.run("load_balancer_info").result["services"]["proxy"] == {"running": False}
