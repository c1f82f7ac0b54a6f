"""Bad input on a node that serves: each gets an error that says what to do, and the traffic goes on by the document that was in force."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from tests.support.collection import Host, link_collection
from tests.support.network import free_port
from tests.support.waiting import until

TOP = Path(__file__).resolve().parents[2]
VIP, SERVER = "127.0.0.100", "127.0.0.24"
NODES = {"master": {"node": "lb-a", "address": "127.0.0.11"}, "backup": {"node": "lb-b", "address": "127.0.0.12"}}
FULL_DISK = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))"
OLD_PYTHON = "import sys; sys.version_info = (3, 8, 18, 'final', 0)"


class Node:
    """A node that serves one frontend, and what its client and its operator see."""

    def __init__(self, host, server_port):
        self.host, self.port = host, free_port(address=VIP)
        self.floating_ip = {"name": "shop-ip", "address": f"{VIP}/8", "attach": "none"}
        heartbeat = {"transport": "udp", "port": free_port(socket.SOCK_DGRAM, "127.0.0.11"), "key": "a key of this test alone"}
        self.load_balancer = {"name": "edge", **NODES, "floating_ips": ["shop-ip"], "heartbeat": heartbeat}
        check = {"interval": "200ms", "timeout": "100ms"}
        servers = [{"name": "app-1", "address": SERVER}]
        self.backend = {"load_balancer": "edge", "name": "shop", "port": server_port, "servers": servers, "health_check": check}
        self.frontend = {"load_balancer": "edge", "name": "web", "port": self.port, "default_backend": "shop"}

    def state_all(self):
        for module, options in (
            ("floating_ip", self.floating_ip),
            ("load_balancer", self.load_balancer),
            ("backend", self.backend),
            ("frontend", self.frontend),
        ):
            answer = self.host.run(module, **options)
            assert answer.result.get("changed") is True, answer.output

    def answered(self):
        with urllib.request.urlopen(f"http://{VIP}:{self.port}/", timeout=5) as answer:
            return answer.headers["X-Served-By"] == "app-1"

    def settled(self):
        """Whether it serves, and has been active for longer than a port may still be held by the node that was active before."""
        active = self.status()["keepalive"].get("load_balancers", {}).get("edge", {})
        with contextlib.suppress(OSError):
            return active.get("state") == "active" and active["since_ms"] > 2500 and self.answered()
        return False

    def told(self):
        """Which processes run, with which document."""
        status = self.status()
        return {name: (status[name]["generation"], status[name]["digest"], status[name]["pid"]) for name in ("proxy", "keepalive")}

    def status(self):
        program = self.host.prefix / "opt/tandem/current/bin/tandem"
        run = subprocess.run([program, "--prefix", self.host.prefix, "status", "--json"], capture_output=True, text=True, timeout=30, check=False)
        return json.loads(run.stdout)

    def documents(self):
        etc = self.host.prefix / "etc/tandem"
        return {str(path): path.read_bytes() for path in etc.rglob("*") if path.is_file() and path.name != "lock"}

    @contextlib.contextmanager
    def serves_as_before(self):
        told, documents = self.told(), self.documents()
        assert self.answered()
        yield
        assert self.told() == told, "the same processes run the same generation"
        assert self.documents() == documents, "nothing was written, and nothing half-written was left"
        assert self.answered()

    def refuses(self, module, options, words, **limits):
        with self.serves_as_before():
            answer = dataclasses.replace(self.host, **limits).run(module, **options)
            assert answer.result.get("failed") is True, answer.output
            missing = [word for word in words if word not in answer.result["msg"]]
            assert not missing, (missing, answer.result["msg"])


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    host = Host(link_collection(folder / "collections"), folder / "host")
    host.prefix.mkdir()
    server_port = free_port(address=SERVER)
    server = subprocess.Popen([sys.executable, str(TOP / "demo" / "shop.py"), "app-1", SERVER, str(server_port)], stdin=subprocess.DEVNULL)
    try:
        made = Node(host, server_port)
        made.state_all()
        until(made.settled, 30, "the node serving", every=0.05)
        yield made
    finally:
        host.stop()
        server.kill()
        server.wait(timeout=10)


def test_an_unknown_reference_is_told_with_what_exists(node):
    node.refuses("frontend", {**node.frontend, "default_backend": "shopp"}, ["default_backend", '"shopp"', 'nearest is "shop"', "tandem.lb.backend"])


def test_a_port_out_of_range_is_told_with_the_range(node):
    node.refuses("frontend", {**node.frontend, "port": 65536}, ["port", "65536", "1 to 65535"])


def test_a_port_that_another_process_holds_is_told_with_who_holds_it(node):
    with socket.socket() as other:
        other.bind((VIP, 0))
        other.listen()
        port = other.getsockname()[1]
        words = ['frontend "edge/web"', f"port {port} on {VIP} is taken", f"(process {os.getpid()})", "another port"]
        node.refuses("frontend", {**node.frontend, "port": port}, words)


def test_a_heartbeat_port_that_another_process_holds_is_told(node):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((NODES["master"]["address"], 0))
        port = other.getsockname()[1]
        moved = {**node.load_balancer, "heartbeat": {**node.load_balancer["heartbeat"], "port": port}}
        node.refuses("load_balancer", moved, ["heartbeat.port", str(port), NODES["master"]["address"], "Address already in use", "another port"])


def test_an_address_outside_every_interfaces_network_is_told_with_the_networks(node):
    taken = {"name": "edge", "floating_ips": ["shop-ip", "far-ip"]}
    far = {"name": "far-ip", "address": "203.0.113.9/24"}
    assert node.host.run("floating_ip", **far).result["changed"] is True  # a word on paper until a load balancer uses it
    node.refuses(
        "load_balancer", taken, ['floating IP "far-ip"', "203.0.113.9/24", "outside every interface's network", "127.0.0.1/8", "attach: none"]
    )
    assert node.host.run("floating_ip", name="far-ip", state="absent").result["changed"] is True


def test_two_objects_that_claim_one_address_and_port_are_both_named(node):
    node.refuses("frontend", {**node.frontend, "name": "other"}, ['frontend "edge/web"', f"{VIP}:{node.port}", "another port"])


def test_an_option_that_would_do_nothing_is_told_with_what_it_belongs_to(node):
    check = {"health_check": {"type": "tcp", "redis_role": "master"}}
    node.refuses("backend", {**node.backend, **check}, ["health_check.redis_role", '"master"', "type tcp", "Use type: redis"])


def test_a_host_name_where_an_address_is_needed_is_told(node):
    node.refuses("frontend", {**node.frontend, "addresses": ["www.example.com"]}, ["addresses", '"www.example.com"', "not an IP address"])


def test_a_broken_document_on_disk_is_told_with_its_path_and_the_services_go_on(node):
    path = node.host.prefix / "etc/tandem/desired.json"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    try:
        node.refuses("backend", node.backend, [str(path), "not JSON", "history"])
    finally:
        path.write_bytes(whole)


def test_a_full_disk_is_told_and_leaves_nothing_half_written(node):
    node.refuses("backend", {**node.backend, "balance": "first"}, ["cannot write", "What was in force stays in force"], before=FULL_DISK)


def old_pythons():
    """Real ones, where there are any that Ansible still runs its modules on, and one that only says so."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    found = [shutil.which("python3.8"), *glob.glob(f"{pyenv}/versions/3.8.*/bin/python3.8")]
    real = [path for path in found if path and subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False).returncode == 0]
    return [{"before": OLD_PYTHON}, *({"python": path} for path in real[:1])]


@pytest.mark.parametrize("limits", old_pythons(), ids=lambda limits: next(iter(limits)))
def test_a_python_that_is_too_old_is_told_with_a_way_out(node, limits):
    for module in sorted(path.stem for path in (TOP / "plugins/modules").glob("*.py")):
        node.refuses(module, {}, ["Python 3.8.", "needs Python 3.9 or newer", "ansible_python_interpreter"], **limits)


def test_a_second_run_at_the_same_time_waits_and_then_says_who_holds_the_lock(node):
    lock = node.host.prefix / "etc/tandem/lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(str(os.getpid()))
        held.flush()
        words = [str(lock), f"process {os.getpid()}", "within 0.3 s", "start this one again"]
        node.refuses("backend", {**node.backend, "balance": "first", "lock_timeout": "300ms"}, words)


def test_a_second_run_that_gets_the_lock_in_time_does_its_work(node):
    lock = node.host.prefix / "etc/tandem/lock"
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        answers = []
        run = threading.Thread(target=lambda: answers.append(node.host.run("backend", **{**node.backend, "balance": "leastconn"}).result))
        run.start()
        run.join(0.5)
        assert run.is_alive(), "it waits while the lock is held"
    run.join(30)
    assert answers[0].get("changed") is True, answers
    assert node.answered()


def test_many_runs_at_the_same_time_all_succeed_one_after_the_other(node):
    answers = []

    def state(number):
        answers.append(node.host.run("backend", **{**node.backend, "name": f"extra-{number}"}).result)

    runs = [threading.Thread(target=state, args=(number,)) for number in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    assert [answer.get("changed") for answer in answers] == [True] * 4, answers
    assert len({answer["generation"] for answer in answers}) == 4
    assert node.answered()
