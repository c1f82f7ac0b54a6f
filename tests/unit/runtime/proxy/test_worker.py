"""What a worker tells the supervisor of its own accord: bindings of clients, which are hints and wait until there is room for them."""

from __future__ import annotations

import json
import socket

import pytest

from tandem.proxy.worker.process import _Worker

CLIENTS = 100_000


@pytest.fixture
def worker():
    """A worker and the supervisor's end of its channel."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    made = _Worker(ours, "")
    yield made, theirs
    made._engine.close()
    made._reactor.soon(lambda: None)  # so that the last turn waits for nothing
    made._reactor.turn(0.0)
    made._log.close()
    made._channel.close()
    made._reactor.dispose()
    theirs.close()


def packets(sock):
    while True:
        try:
            yield json.loads(sock.recv(65536))
        except BlockingIOError:
            return


def test_a_flood_of_new_clients_leaves_room_in_the_channel_and_all_are_told_of_in_the_end(worker):
    made, supervisor = worker
    for number in range(CLIENTS):
        made._announce("lb/app", [(f"2001:db8::{number:x}", "s1")])
    made._reactor.turn(0.0)
    assert made._channel.waiting <= 100
    made._channel.send({"type": "pong"})
    told = {}
    for _turn in range(1000):
        for packet in packets(supervisor):
            for client, server in packet.get("bindings", {}).get("lb/app", []):
                told[client] = server
        if len(told) == CLIENTS:
            break
        made._reactor.turn(0.01)
    assert len(told) == CLIENTS


def test_of_a_client_that_moves_within_a_turn_only_the_last_server_is_told(worker):
    made, supervisor = worker
    for server in ("s1", "s2"):
        made._announce("lb/app", [("192.0.2.1", server)])
    made._reactor.turn(0.0)
    assert list(packets(supervisor)) == [{"type": "bind", "bindings": {"lb/app": [["192.0.2.1", "s2"]]}}]
