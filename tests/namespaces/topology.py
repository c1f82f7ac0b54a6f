"""Hosts in network namespaces: two nodes, a client and two servers on one bridge, each with addresses of its own, all real but the machine.

Everything made here is taken down again, also when a test or the making itself fails: processes by the id they were started with, namespaces and
the bridge by names that only this run uses.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tandem import _model as model
from tandem._client import Client
from tandem._paths import Paths
from tandem._store import Store
from tandem.manager.manager import recorded
from tests.support.waiting import until

TOP = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-I", str(TOP / "runtime" / "tandem" / "__main__.py")]
HOSTS = {"lb-a": 11, "lb-b": 12, "client": 13, "app-1": 14, "app-2": 15}
NODES = ("lb-a", "lb-b")
VIP, VIP6 = "10.99.0.100", "fd99::100"
_COMMAND_S = 30


def run(*command, check=True, timeout=_COMMAND_S):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)
    if check and result.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: {result.stdout}{result.stderr}")
    return result


def eventually(condition, within=10.0):
    """The first true result of ``condition``; fails when there is none in time."""
    return until(condition, within, every=0.02)


def address(host):
    return f"10.99.0.{HOSTS[host]}"


def address6(host):
    return f"fd99::{HOSTS[host]}"


class Topology:
    """The hosts of one test module; ``folder`` holds the nodes' prefixes."""

    def __init__(self, folder):
        self.folder = Path(folder)
        # Interface names have 15 characters at most (if_nametoindex(3)).
        self.mark = f"t{os.getpid() % 100000}"
        self.bridge = f"{self.mark}br"
        self._processes = []

    def __enter__(self):
        try:
            run("ip", "link", "add", self.bridge, "type", "bridge")
            run("ip", "link", "set", self.bridge, "up")
            for host in HOSTS:
                self._add_host(host)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception):
        for node in NODES:
            self.kill(node)
        for process in self._processes:
            process.kill()
            process.wait()
        for host in HOSTS:
            run("ip", "netns", "del", self.namespace(host), check=False)
            run("ip", "link", "del", self.port(host), check=False)
        run("ip", "link", "del", self.bridge, check=False)

    def namespace(self, host):
        return f"{self.mark}-{host}"

    def port(self, host):
        """The host's port of the bridge, in our own namespace."""
        return f"{self.mark}{host.replace('-', '')[:7]}"

    def _add_host(self, host):
        run("ip", "netns", "add", self.namespace(host))
        self.plug_in(host)

    def plug_in(self, host):
        """Gives a host without one an interface on the network, with the host's own addresses."""
        name, port = self.namespace(host), self.port(host)
        run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", port, "master", self.bridge, "up")
        for link in ("lo", "eth0"):
            run("ip", "-n", name, "link", "set", link, "up")
        run("ip", "-n", name, "addr", "add", f"{address(host)}/24", "dev", "eth0")
        run("ip", "-n", name, "addr", "add", f"{address6(host)}/64", "dev", "eth0", "nodad")

    def unplug(self, host):
        """Takes the host's interface away, and its addresses with it."""
        run("ip", "link", "del", self.port(host))

    def on(self, host, *command, check=True):
        """Runs a command on a host to its end."""
        return run("ip", "netns", "exec", self.namespace(host), *command, check=check)

    def start(self, host, *command, **options):
        """Starts a process on a host; it is ended with the topology."""
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        process = subprocess.Popen(["ip", "netns", "exec", self.namespace(host), *map(str, command)], stdin=subprocess.DEVNULL, **options)
        self._processes.append(process)
        return process

    # Nodes

    def paths(self, node):
        return Paths(str(self.folder / node))

    def write(self, document, secrets=None, nodes=NODES):
        """Puts a document on the nodes' disks, as the modules would; the services are not told."""
        problems = model.check_document(document)
        assert not problems, problems
        for node in nodes:
            store = Store(self.paths(node))
            for mark, value in (secrets or {}).items():
                store.write_secret(mark, value)
            store.write(document)
            store.paths.node.write_text(json.dumps({"node": node}))

    def apply(self, document, nodes=NODES):
        """Writes the document and has the running services use it, as the modules do."""
        self.write(document, nodes=nodes)
        for node in nodes:
            for path in (self.paths(node).proxy_socket, self.paths(node).keepalive_socket):
                Client(path).load(document.generation)

    def tandem(self, node, *command, check=True):
        """The program `tandem` on the node."""
        return self.on(node, *PROGRAM, "--prefix", self.paths(node).prefix, *command, check=check)

    def boot(self, *nodes):
        for node in nodes:
            self.tandem(node, "manager", "start")

    def stop(self, node):
        self.tandem(node, "manager", "stop")

    def kill(self, node):
        """SIGKILL to every process of the node, as a power cut would; the time it happened (monotonic seconds)."""
        pid = recorded(self.paths(node).manager_pid)
        moment = time.monotonic()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, 9)
        return moment

    def service_pid(self, node, name):
        return recorded(self.paths(node).run / f"{name}.pid")

    def view(self, node, name="edge"):
        """What keepalive says of the load balancer on the node; an empty dict while it does not answer."""
        try:
            return Client(self.paths(node).keepalive_socket, 2.0).status()["load_balancers"].get(name, {})
        except Exception:  # noqa: BLE001 - whatever the reason, it does not answer now
            return {}

    def state(self, node):
        return self.view(node).get("state", "down")

    def active(self):
        """The one node that is active while the other stands by and has heard it; "" otherwise."""
        views = {node: self.view(node) for node in NODES}
        active = next((node for node in NODES if views[node].get("state") == "active"), "")
        heard = any(view.get("state") == "standby" and view["peers"].get(active, {}).get("last_heard_ms") is not None for view in views.values())
        return active if heard else ""

    def settled(self):
        """The same once either node could serve: before its servers were checked, a node that takes over has none."""
        for node in NODES:
            try:
                servers = Client(self.paths(node).proxy_socket, 2.0).status()["backends"]["edge/shop"]["servers"]
            except Exception:  # noqa: BLE001 - whatever the reason, it does not answer now
                return ""
            if any(server["state"] != "up" for server in servers.values()):
                return ""
        return self.active()

    def holds(self, node, ip=VIP):
        return f" {ip}/" in self.on(node, "ip", "addr", "show", "dev", "eth0").stdout


def document(generation=1, secrets=None, **load_balancer):
    """The load balancer of these tests: two floating IPs, one backend of two servers, one frontend on port 80."""
    options = {
        "name": "edge",
        "master": {"node": "lb-a", "address": address("lb-a")},
        "backup": {"node": "lb-b", "address": address("lb-b")},
        "floating_ips": ["vip", "vip6"],
        **load_balancer,
    }
    servers = [{"name": host, "address": address(host)} for host in ("app-1", "app-2")]
    check = {"type": "http", "path": "/health", "interval": "500ms", "timeout": "500ms"}
    objects = [
        model.from_options(model.FloatingIP, {"name": "vip", "address": f"{VIP}/24"}),
        model.from_options(model.FloatingIP, {"name": "vip6", "address": f"{VIP6}/64"}),
        model.from_options(model.LoadBalancer, options, secrets={} if secrets is None else secrets),
        model.from_options(model.Backend, {"load_balancer": "edge", "name": "shop", "port": 8080, "servers": servers, "health_check": check}),
        model.from_options(model.Frontend, {"load_balancer": "edge", "name": "web", "port": 80, "default_backend": "shop"}),
    ]
    whole = model.Document(generation)
    for thing in objects:
        whole = whole.with_object(thing)
    return whole
