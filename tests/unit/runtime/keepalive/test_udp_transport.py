"""Heartbeats in UDP between sockets on loopback, and what is done with those that must not count."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import socket

import pytest

from tandem._model import Heartbeat, Node
from tandem.keepalive import complaints as complaints_module
from tandem.keepalive.complaints import Complaints
from tandem.keepalive.events import State
from tandem.keepalive.transport import CannotOpen, Outgoing
from tandem.keepalive.udp_transport import UdpTransport
from tandem.wire import udp
from tests.support.keepalive_fakes import refused
from tests.support.node import free_port
from tests.support.timeless import timeless

A, B, C = Node("lb-a", "127.0.0.11"), Node("lb-b", "127.0.0.12"), Node("lb-c", "127.0.0.13")
KEY = b"a key that both nodes share"
ACTIVE = Outgoing(200, State.ACTIVE, "0123456789abcdef0123", ("192.0.2.100",))


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(complaints_module, "say", lambda level, text: lines.append(text))
    return lines


@pytest.fixture
def port():
    return free_port(socket.SOCK_DGRAM)


def opened(me, port, peers=(A, B), **options):
    """(transport, what it received); closed with the loop's task."""
    got = []
    clock = asyncio.get_running_loop().time
    given = {"load_balancer": "edge", "key": KEY, "clock": clock, "complaints": Complaints(clock), **options}
    others = tuple(peer for peer in peers if peer != me)
    return UdpTransport(me, others, Heartbeat(port=port, transport="udp"), got.append, **given), got


async def arrived(got, count=1):
    for _turn in range(200):
        if len(got) >= count:
            return
        await asyncio.sleep(0.01)


@timeless
async def test_an_active_nodes_heartbeat_is_an_event_of_the_election_and_a_standby_nodes_is_none(port):
    (one, _heard), (two, got) = opened(A, port), opened(B, port)
    one.send(ACTIVE)
    one.send(dataclasses.replace(ACTIVE, state=State.STANDBY))
    await arrived(got, 2)
    assert [(heartbeat.node, heartbeat.state, heartbeat.digest) for heartbeat in got] == [
        ("lb-a", "active", "0123456789abcdef"),
        ("lb-a", "standby", "0123456789abcdef"),
    ]
    assert (got[0].heard.priority, got[0].heard.interval_s, got[0].heard.rank) == (200, 0.3, bytes([127, 0, 0, 11]))
    assert got[1].heard is None
    one.close(), two.close()


@timeless
async def test_a_peer_with_another_key_is_a_problem_until_its_key_is_right(port, said):
    (two, got), (wrong, _heard) = opened(B, port), opened(A, port, key=b"another key")
    wrong.send(ACTIVE)
    await asyncio.sleep(1)
    assert (got, two.problems()) == ([], ["a heartbeat from 127.0.0.11 was not taken: a message that was not made with our key"])
    wrong.close()
    right, _heard = opened(A, port)
    right.send(ACTIVE)
    await arrived(got)
    assert (len(got), two.problems()) == (1, [])
    right.close(), two.close()


@timeless
async def test_a_node_that_is_none_of_the_load_balancers_is_named_and_noise_from_elsewhere_is_only_logged(port, said):
    two, got = opened(B, port)
    stranger, _heard = opened(C, port, peers=(B, C))
    stranger.send(ACTIVE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
        noise.bind(("127.0.0.14", 0))
        for content in (b"", b"noise", b"x" * 3000):
            noise.sendto(content, ("127.0.0.12", port))
    await asyncio.sleep(1)
    assert (got, two.problems()) == ([], ["a heartbeat from 127.0.0.13 was not taken: it is lb-c's for load balancer edge"])
    assert any("127.0.0.14" in line for line in said)
    stranger.close(), two.close()


@timeless
async def test_a_message_that_is_sent_again_does_not_count_and_accuses_nobody(port, said):
    two, got = opened(B, port)
    message = udp.encode(udp.Heartbeat("edge", "lb-a", "active", 200, 300, "", 5, 5), KEY)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.11", 0))
        for _time in range(3):
            again.sendto(message, ("127.0.0.12", port))
        await asyncio.sleep(1)
        assert (len(got), two.problems()) == (1, [])
        assert "sent again" in said[0]
    two.close()


@timeless
async def test_a_parked_transport_gives_its_port_to_another_one_hears_nothing_and_can_still_resign(port):
    (old, heard), (peer, got) = opened(A, port), opened(B, port)
    old.park()
    new, _heard = opened(A, port)
    peer.send(ACTIVE)
    old.send(dataclasses.replace(ACTIVE, priority=0))
    await arrived(got)
    await asyncio.sleep(1)
    assert (got[0].heard.priority, heard) == (0, [])
    with pytest.raises(CannotOpen, match=f"heartbeat.port is {port}"):
        old.unpark()
    new.close()
    old.unpark()
    peer.send(ACTIVE)
    await arrived(heard)
    assert len(heard) == 1
    for transport in (old, peer):
        transport.close()


@timeless
async def test_a_port_that_somebody_has_and_an_address_that_is_not_here_are_told_in_words(port):
    one, _heard = opened(A, port)
    for me in (A, Node("lb-a", "192.0.2.11")):
        with pytest.raises(CannotOpen, match=r"heartbeat.port is \d+, but .* cannot be used: .*Give another port"):
            opened(me, port)
    one.close()


@timeless
async def test_what_cannot_be_sent_or_received_is_logged_and_passes(port, said):
    class Broken(socket.socket):
        errors = None

        def sendto(self, *details):
            raise refused(self.errors) if self.errors else refused(errno.ECONNREFUSED)

        def recvfrom(self, *details):
            data = super().recvfrom(*details)
            if self.errors:
                raise refused(self.errors)
            return data

    one, got = opened(A, port, open_socket=Broken)
    two, _heard = opened(B, port)
    one.send(ACTIVE)
    assert said == [], "the peer's daemon does not run, which its silence tells"
    Broken.errors = errno.ENETUNREACH
    one.send(ACTIVE)
    two.send(ACTIVE)
    await asyncio.sleep(1)
    assert said == ["heartbeat to 127.0.0.12 cannot be sent: Network is unreachable", "heartbeats cannot be received: Network is unreachable"]
    Broken.errors = None
    two.send(ACTIVE)
    await arrived(got)
    assert len(got) == 1
    one.close(), two.close()
