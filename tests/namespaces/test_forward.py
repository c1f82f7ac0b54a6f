"""Frontends that the kernel serves, on real nodes: what goes on when one dies, whose every byte is compared, and what ends."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tandem import _model as model
from tandem._client import Client, NotRunning
from tests.namespaces.topology import NODES, VIP, VIP6, Topology, address, address6, document, eventually
from tests.support.real_time import in_real_time

STREAMS = Path(__file__).with_name("streams.py")
SERVERS = ("app-1", "app-2")
BOTH = ["echo"] * 4 + ["push"] * 4
_PORT = 8080


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with in_real_time(), Topology(tmp_path_factory.mktemp("forward")) as made:
        made.serving = {host: start_server(made, host) for host in SERVERS}
        yield made


def start_server(made, host):
    return [made.start(host, sys.executable, STREAMS, "serve", host, ip, _PORT) for ip in (address(host), address6(host))]


def forwarded(generation=1, frontend=None, backend=None, frontends=("tcp", "udp")):
    """Both servers in both families behind a frontend for each protocol."""
    whole = document(generation)
    for kind in ("frontends", "backends"):
        for key in list(whole.objects(kind)):
            whole = whole.without(kind, key)
    listed = [{"name": name, "address": ip} for host in SERVERS for name, ip in ((host, address(host)), (f"{host}-six", address6(host)))]
    check = {"type": "tcp", "interval": "500ms", "timeout": "400ms", "fast_interval": "100ms", "fall": 2}
    for protocol in frontends:
        named = {"load_balancer": "edge", "name": protocol, "protocol": protocol}
        kept = {"health_check": check, **(backend or {})}
        whole = whole.with_object(model.from_options(model.Backend, {**named, "port": _PORT, "servers": listed, **kept}))
        served = {"port": 80, "default_backend": protocol, "forwarding": "kernel", **(frontend or {})}
        whole = whole.with_object(model.from_options(model.Frontend, {**named, **served}))
    return whole


@pytest.fixture(scope="module")
def stated(hosts):
    """What the nodes run, as it was asked for; wiped at the end."""
    running: list[dict] = []
    yield running
    forget(hosts, running)


def forget(hosts, running):
    running.clear()
    for node in NODES:
        hosts.kill(node)
        wipe(hosts, node)
        shutil.rmtree(hosts.folder / node, ignore_errors=True)


@pytest.fixture
def pair(hosts, stated):
    """Both nodes run with a document of this kind, one active and both with their tables; those of the test before go on, if it is theirs."""

    def bring_up(**wanted):
        if stated != [wanted]:
            forget(hosts, stated)
            hosts.write(forwarded(**wanted))
            stated.append(wanted)
        hosts.boot(*NODES)
        active = eventually(hosts.active)
        eventually(lambda: all(told(hosts, node).get("in_force") for node in NODES))
        eventually(lambda: all(all_up(hosts, node) for node in NODES))
        # What servers know, peers need not be told.
        eventually(lambda: knows_its_peer(hosts, active) or "keep" in str(wanted))
        return active

    return bring_up


def wipe(hosts, node):
    """As after the power went: the kernel has forgotten everything."""
    hosts.on(node, "nft", "flush", "ruleset")
    hosts.on(node, "conntrack", "-F", check=False)
    hosts.on(node, "sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")
    for ip in (f"{VIP}/24", f"{VIP6}/64"):
        hosts.on(node, "ip", "addr", "del", ip, "dev", "eth0", check=False)


def told(hosts, node):
    """What the forward service of a node says; nothing while it does not answer."""
    try:
        return Client(hosts.paths(node).forward_socket, 5.0).status()
    except (NotRunning, OSError):
        return {}


def all_up(hosts, node):
    backends = Client(hosts.paths(node).proxy_socket, 5.0).status()["backends"]
    return all(server["state"] == "up" for backend in backends.values() for server in backend["servers"].values())


def tables(hosts, node):
    return hosts.on(node, "nft", "list", "tables").stdout


def knows_its_peer(hosts, node):
    return "table ip tandem" in tables(hosts, node)


def knows_clients(hosts, node, streams):
    """Whether a node has noted from copies whose these streams are."""
    name = tables(hosts, node).partition("table inet ")[2].split()[0]
    noted = hosts.on(node, "nft", "list", "map", "inet", name, "clients4", check=False).stdout
    return all(f"{stream['port']} . " in noted for stream in streams)


def other_than(node):
    return next(other for other in NODES if other != node)


class Held:
    """Streams of the client; ``seen`` is what they have told last."""

    def __init__(self, hosts, kinds, ip=VIP, host="client"):
        command = ["ip", "netns", "exec", hosts.namespace(host), sys.executable, str(STREAMS), "hold", ip, "80", *kinds]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.seen = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self.seen = json.loads(line)

    def __enter__(self):
        self.go_on()
        return self

    def __exit__(self, *_exception):
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._reader.join(timeout=30)

    def on(self, server):
        return [stream for stream in self.seen if stream["server"].removesuffix("-six") == server]

    def go_on(self, within=20.0, unless=()):
        """Waits until each of them has had ten blocks more; none may have ended, but those on the servers ``unless``."""
        began = [stream["bytes"] for stream in self.seen]

        def all_do():
            ended = [stream for stream in self.seen if stream["ended"] and stream["server"] not in unless]
            assert ended == []
            before = began or [0] * len(self.seen)
            return self.seen and all(
                stream["bytes"] > had + (10 if stream["kind"] == "udp" else 640) or stream["server"] in unless
                for stream, had in zip(self.seen, before)
            )

        eventually(all_do, within)


@contextlib.contextmanager
def crashed(hosts, node):
    """The node's power is cut; it comes back with nothing but its disk."""
    hosts.kill(node)
    hosts.unplug(node)
    try:
        yield time.monotonic()
    finally:
        wipe(hosts, node)
        hosts.plug_in(node)


def test_streams_of_every_kind_outlive_the_active_node_without_a_wrong_byte(hosts, pair, repeats, figure):
    active = pair()
    survived = 0
    with Held(hosts, [*BOTH, "udp"]) as held, Held(hosts, ["echo", "echo"], VIP6) as six:
        for _crash in range(max(1, repeats // 3)):
            if survived:
                hosts.boot(other_than(active))
                eventually(lambda active=active: hosts.active() == active and told(hosts, other_than(active)).get("in_force"))
                # It has come back knowing nothing, and hears of each client again within 15 s.
                eventually(lambda active=active: knows_clients(hosts, other_than(active), held.seen), 40)
            with crashed(hosts, active):
                held.go_on()
                six.go_on()
                survived += 8
            active = other_than(active)
    figure(f"the active node loses its power, kernel forwarding: {survived} of {survived} streams went on, half of them of clients that only listen")


def test_clients_whom_servers_know_by_their_own_addresses_outlive_the_active_node_too(hosts, pair):
    for host in SERVERS:
        hosts.on(host, "ip", "route", "replace", f"{address('client')}/32", "via", VIP)
    try:
        active = pair(
            frontend={"client_address": "keep", "addresses": [VIP]},
            backend={"servers": [{"name": host, "address": address(host)} for host in SERVERS]},
        )
        with Held(hosts, BOTH) as held:
            assert "10.99.0.13" in hosts.on("app-1", "ss", "-tn", "state", "established", "sport", f"= :{_PORT}").stdout
            with crashed(hosts, active):
                held.go_on()
    finally:
        for host in SERVERS:
            hosts.on(host, "ip", "route", "del", f"{address('client')}/32", check=False)


def test_planned_moves_and_the_death_of_a_service_end_no_stream(hosts, pair):
    active = pair()
    with Held(hosts, BOTH) as held:
        hosts.tandem(active, "switchover", "edge", "--force")
        eventually(lambda: hosts.active() == other_than(active))
        held.go_on()
        hosts.tandem(other_than(active), "switchover", "edge", "--force")
        eventually(lambda: hosts.active() == active)
        held.go_on()
        for service in ("keepalive", "proxy", "forward"):
            subprocess.run(["kill", "-9", str(hosts.service_pid(eventually(hosts.active), service))], check=True)
            held.go_on()
        hosts.stop(eventually(hosts.active))
        held.go_on()


def test_nodes_that_do_not_hear_each_other_for_a_while_end_no_stream(hosts, pair):
    """Both are active then; who gives way, and whose table the streams pass, changes twice."""
    active = pair()
    other = other_than(active)
    with Held(hosts, [*BOTH, "bulk"]) as held:
        deaf = "table inet cut { chain heard { type filter hook input priority 0; ip protocol vrrp drop; }; }"
        hosts.on(other, "nft", deaf)
        eventually(lambda: hosts.state(other) == "active")
        held.go_on()
        had = held.seen[-1]["bytes"]
        eventually(lambda: held.seen[-1]["bytes"] > had + 20_000_000)  # more than any window
        hosts.on(other, "nft", "delete", "table", "inet", "cut")
        eventually(lambda: [hosts.state(node) for node in (active, other)].count("standby") == 1)
        held.go_on()


def test_the_streams_of_a_server_that_dies_end_and_no_other(hosts, pair):
    active = pair()
    with Held(hosts, BOTH * 2) as held, Held(hosts, ["udp"] * 8) as datagrams:
        assert held.on("app-1")
        assert held.on("app-2")
        hosts.on("app-1", "ip", "link", "set", "eth0", "down")
        try:
            eventually(lambda: all(stream["ended"] for stream in held.on("app-1") if stream["kind"] == "echo"))
            held.go_on(unless=("app-1",))
            eventually(lambda: len(datagrams.on("app-2")) == 8)
            served = told(hosts, active)["frontends"]["edge/tcp"]["servers"]
            assert (served["app-1"]["sessions"], served["app-2"]["sessions"]) == (0, len(held.on("app-2")))
            with Held(hosts, ["echo"] * 4) as new:
                assert len(new.on("app-2")) == 4
        finally:
            hosts.on("app-1", "ip", "link", "set", "eth0", "up")
            hosts.on("app-1", "ip", "addr", "replace", f"{address6('app-1')}/64", "dev", "eth0", "nodad")


def test_a_server_that_is_drained_keeps_its_streams_and_gets_no_more(hosts, pair):
    active = pair()
    with Held(hosts, BOTH * 2) as held:
        stayed = len(held.on("app-1"))
        assert stayed
        hosts.tandem(active, "drain", "edge/tcp/app-1")
        eventually(lambda: told(hosts, active)["frontends"]["edge/tcp"]["servers"]["app-1"]["sessions"] == stayed)
        with Held(hosts, ["echo"] * 6) as new:
            assert len(new.on("app-2")) == 6
        held.go_on()
        assert "in the kernel: " in hosts.tandem(active, "status", check=False).stdout
    hosts.tandem(active, "ready", "edge/tcp/app-1")


def test_the_table_is_mended_when_somebody_flushes_it_and_goes_with_its_last_frontend(hosts, pair):
    active = pair()
    before = hosts.on(active, "sysctl", "-n", "net.ipv4.ip_forward").stdout
    hosts.on(active, "nft", "flush", "ruleset")
    eventually(lambda: "table inet tandem" in tables(hosts, active))
    with Held(hosts, ["echo"]):
        pass
    hosts.apply(forwarded(2, frontend={"enabled": False}))
    for node in NODES:
        eventually(lambda node=node: not told(hosts, node))
        eventually(lambda node=node: tables(hosts, node) == "")
    assert (before, hosts.on(active, "sysctl", "-n", "net.ipv4.ip_forward").stdout) == ("1\n", "0\n")
    hosts.apply(forwarded(3))
    eventually(lambda: told(hosts, active).get("in_force"))
    with Held(hosts, ["echo"]):
        pass


def test_a_client_that_is_a_server_is_served_and_the_standby_answers_nobody(hosts, pair):
    active = pair()
    with Held(hosts, ["echo"] * 16, host="app-1") as hairpin:
        hairpin.go_on()
        assert hairpin.on("app-1") and hairpin.on("app-2")
    standby = other_than(active)
    link = json.loads(hosts.on(standby, "ip", "-json", "link", "show", "eth0").stdout)[0]["address"]
    hosts.on("client", "ip", "neigh", "replace", VIP, "lladdr", link, "dev", "eth0", "nud", "permanent")
    try:
        asked = "import socket; s = socket.create_connection(('10.99.0.100', 80), 1)"
        refused = hosts.on("client", sys.executable, "-c", asked, check=False)
        assert "TimeoutError" in refused.stderr or "timed out" in refused.stderr
    finally:
        hosts.on("client", "ip", "neigh", "del", VIP, "dev", "eth0")
