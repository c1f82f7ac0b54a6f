"""Sessions that stand when the address moves in order: TCP frontends, whose sessions cannot be asked to end."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time

from tandem import _model as model
from tests.namespaces.test_network import other_than
from tests.namespaces.topology import VIP, eventually

RECEIVE = f"""
import socket, time
session = socket.create_connection(("{VIP}", 81), 5)
print("connected", flush=True)
session.settimeout(20)
try:
    print("ended" if session.recv(1) == b"" else "received", time.monotonic(), flush=True)
except OSError as error:
    print(type(error).__name__, time.monotonic(), flush=True)
"""


def test_an_order_to_stop_waits_two_seconds_for_tcp_sessions_and_tells_one_that_only_receives(hosts, pair):
    stated = pair()
    tcp = {"load_balancer": "edge", "protocol": "tcp"}
    for thing in (
        model.from_options(model.Backend, {**tcp, "name": "raw", "port": 8080, "servers": [{"name": "app-1", "address": "10.99.0.14"}]}),
        model.from_options(model.Frontend, {**tcp, "name": "stream", "port": 81, "default_backend": "raw"}),
    ):
        stated = stated.with_object(thing)
    hosts.apply(dataclasses.replace(stated, generation=stated.generation + 1))
    active = eventually(hosts.settled)
    command = ["ip", "netns", "exec", hosts.namespace("client"), sys.executable, "-c", RECEIVE]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == "connected\n"
        moment = time.monotonic()
        hosts.stop(active)
        what, when = client.stdout.readline().split()
    finally:
        client.kill()
        client.wait(timeout=10)
    assert what == "ConnectionResetError"
    assert 1.5 < float(when) - moment < 4.5, "the program that gives the order has to start, too"
    eventually(lambda: hosts.state(other_than(active)) == "active")
