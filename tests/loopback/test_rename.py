"""A load balancer that is given another name keeps its heartbeat port and its floating IP: both names never stand at once."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess

import pytest

from tandem import _model as model
from tandem._client import Client, NotRunning, Refused
from tandem._paths import Paths
from tandem._store import Store
from tests.namespaces.topology import PROGRAM
from tests.support.network import free_port

KEY = "a key of this test alone"


@pytest.fixture
def paths(tmp_path):
    """A node whose keepalive runs, with a document of nothing."""
    made = Paths(str(tmp_path / "node"))
    made.etc.mkdir(parents=True)
    made.node.write_text(json.dumps({"node": "lb-a"}))
    service = subprocess.Popen([*PROGRAM, "--prefix", made.prefix, "keepalive"], stdin=subprocess.DEVNULL)
    yield made
    service.terminate()
    service.wait(timeout=10)


def stated(paths, generation, name, port, **floating_ip):
    heartbeat = {"transport": "udp", "port": port, "key": KEY}
    nodes = {"master": {"node": "lb-a", "address": "127.0.0.11"}, "backup": {"node": "lb-b", "address": "127.0.0.12"}}
    document = model.Document().with_object(
        model.from_options(model.FloatingIP, {"name": "vip", "address": "127.0.0.100/8", "attach": "none", **floating_ip})
    )
    document = document.with_object(model.from_options(model.LoadBalancer, {"name": name, **nodes, "floating_ips": ["vip"], "heartbeat": heartbeat}))
    store = Store(paths)
    store.write_secret(model.fingerprint(KEY), KEY)
    store.write(dataclasses.replace(document, generation=generation))
    return Client(paths.keepalive_socket, 5.0)


def answers(client):
    try:
        return client.status()
    except NotRunning:
        return None


def load(paths, eventually, *arguments, **floating_ip):
    client = stated(paths, *arguments, **floating_ip)
    eventually(lambda: answers(client))
    client.load(arguments[0])
    return set(client.status()["load_balancers"])


def test_the_new_name_takes_the_port_of_the_old_one_and_a_refused_document_brings_the_old_one_back(paths, eventually):
    port = free_port(socket.SOCK_DGRAM, "127.0.0.11")
    assert load(paths, eventually, 1, "edge", port) == {"edge"}
    assert load(paths, eventually, 2, "shop-edge", port) == {"shop-edge"}
    with pytest.raises(Refused, match="outside every interface's network"):
        load(paths, eventually, 3, "third", port, address="203.0.113.7/24", attach="interface")
    assert set(Client(paths.keepalive_socket, 5.0).status()["load_balancers"]) == {"shop-edge"}
