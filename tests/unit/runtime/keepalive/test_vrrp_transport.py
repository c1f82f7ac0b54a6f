"""Heartbeats as VRRP, on made-up raw sockets: whose count, whose do not, and who is named for it."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct

import pytest

from tandem._interfaces import Address
from tandem._model import Heartbeat, Node
from tandem.keepalive import complaints as complaints_module
from tandem.keepalive.addresses import look
from tandem.keepalive.complaints import Complaints
from tandem.keepalive.events import State
from tandem.keepalive.transport import CannotOpen, Outgoing, reached_from
from tandem.keepalive.vrrp_transport import VrrpTransport
from tandem.wire import vrrp
from tests.support.keepalive_fakes import ME, OTHER, FakeKernel, refused
from tests.support.timeless import timeless

ME6, OTHER6 = Node("lb-a", "2001:db8::11"), Node("lb-b", "2001:db8::12")
GROUP, GROUP6 = "224.0.0.18", "ff02::12"
HOPLIMIT = 52


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(complaints_module, "say", lambda level, text: lines.append(text))
    return lines


class RawSocket:
    """What a raw socket does, but for the privilege: packets are put into ``inbox`` as raw(7) delivers them, errors too."""

    def __init__(self):
        self.near, self.far = socket.socketpair()
        self.inbox, self.sent, self.bound, self.options, self.error, self.closed = [], [], None, [], None, False

    def __call__(self, *_kind):
        if isinstance(self.error, PermissionError):
            raise self.error
        return self

    def fileno(self):
        return self.near.fileno()

    def setsockopt(self, *option):
        self.options.append(option)

    def setblocking(self, _blocking):
        self.near.setblocking(False)

    def bind(self, address):
        if self.error:
            raise self.error
        self.bound = address[0]

    def sendto(self, message, address):
        if self.error:
            raise self.error
        self.sent.append((message, address[0]))

    def recvmsg(self, _size, _ancillary_size):
        self.near.recv(1)
        if not self.inbox:
            raise BlockingIOError
        arrived = self.inbox.pop(0)
        if isinstance(arrived, OSError):
            raise arrived
        return arrived

    def close(self):
        self.closed = True
        self.near.close()

    def put(self, arrived):
        self.inbox.append(arrived)
        self.far.send(b".")

    def put_v4(self, source, message, destination="192.0.2.11", hops=255):
        addresses = socket.inet_aton(source) + socket.inet_aton(destination)
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), 0, 0, hops, 112, 0) + addresses
        self.put((header + message, [], 0, (source, 0)))

    def put_v6(self, source, message, hops=255):
        self.put((message, [(socket.IPPROTO_IPV6, HOPLIMIT, struct.pack("@i", hops))], 0, (source, 0, 0, 2)))


def advert(source, destination, priority=200, router=51):
    return vrrp.encode(vrrp.Advertisement(router, priority, 0.3, ()), source, destination)


def opened(raw, me=ME, other=OTHER, mode="unicast"):
    got = []
    kernel = FakeKernel()
    settings = Heartbeat(transport="vrrp", mode=mode, virtual_router_id=51)
    complaints = Complaints(asyncio.get_running_loop().time)
    return VrrpTransport(me, (other,), settings, got.append, kernel=kernel, complaints=complaints, open_socket=raw), got


@pytest.mark.parametrize(("mode", "destination"), [("unicast", "192.0.2.11"), ("multicast", GROUP)])
@timeless
async def test_an_advertisement_of_a_peer_is_heard_and_its_resignation(mode, destination):
    raw = RawSocket()
    one, got = opened(raw, mode=mode)
    for priority in (100, 0):
        raw.put_v4("192.0.2.12", advert("192.0.2.12", destination, priority), destination)
    await asyncio.sleep(0.1)
    assert [(heard.node, heard.state, heard.heard.priority) for heard in got] == [("lb-b", "active", 100), ("lb-b", "resigned", 0)]
    assert (got[0].heard.interval_s, got[0].heard.rank, one.problems()) == (0.3, bytes([192, 0, 2, 12]), [])
    one.close()
    assert raw.closed


@pytest.mark.parametrize("priority", [0, 1, 254, 255])
@pytest.mark.parametrize("mode", ["unicast", "multicast"])
@timeless
async def test_a_stranger_is_never_heeded_and_is_named_as_a_problem_also_when_it_is_harmless(mode, priority, said):
    raw = RawSocket()
    one, got = opened(raw, mode=mode)
    destination = GROUP if mode == "multicast" else "192.0.2.11"
    raw.put_v4("192.0.2.66", advert("192.0.2.66", destination, priority), destination)
    await asyncio.sleep(0.1)
    assert got == []
    (problem,) = one.problems()
    for word in ("virtual router 51", "192.0.2.66", "none of this load balancer's nodes", "another heartbeat.virtual_router_id"):
        assert word in problem
    assert said == [problem]
    await asyncio.sleep(61)
    assert one.problems() == [], "it has stopped"
    one.close()


@timeless
async def test_strangers_over_ipv6_are_named_by_the_address_they_send_from(said):
    raw = RawSocket()
    one, got = opened(raw, ME6, OTHER6, "multicast")
    raw.put_v6("fe80::66%eth0", advert("fe80::66", GROUP6, 254))
    raw.put_v6("2001:db8::12", advert("2001:db8::12", GROUP6))
    await asyncio.sleep(0.1)
    assert [heard.node for heard in got] == ["lb-b"]
    assert "come from fe80::66, which" in one.problems()[0]
    one.close()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ({"hops": 254}, "hop limit 254"),
        ({"message": b"\x31\x33" + bytes(20)}, "an interval of 0"),
        ({"message": b"\x21\x33" + bytes(20)}, "version 2"),
        ({"destination": "192.0.2.99"}, "checksum"),
    ],
)
@timeless
async def test_a_peers_advertisement_that_must_not_count_is_named_until_one_counts_again(spoil, why, said):
    raw = RawSocket()
    one, got = opened(raw)
    good = advert("192.0.2.12", "192.0.2.11")
    raw.put_v4("192.0.2.12", **{"message": good, **spoil})
    await asyncio.sleep(0.1)
    assert got == []
    assert why in one.problems()[0]
    raw.put_v4("192.0.2.12", good)
    await asyncio.sleep(0.1)
    assert (len(got), one.problems()) == (1, [])
    one.close()


@timeless
async def test_its_own_packets_those_of_other_routers_and_pieces_say_nothing(said):
    raw = RawSocket()
    one, got = opened(raw)
    raw.put_v4("192.0.2.11", advert("192.0.2.11", "192.0.2.11"))
    raw.put_v4("192.0.2.66", advert("192.0.2.66", "192.0.2.11", router=52))
    raw.put_v4("192.0.2.66", b"")
    await asyncio.sleep(0.1)
    assert (got, one.problems(), said) == ([], [], [])
    raw.put((b"\x45", [], 0, ("192.0.2.77", 0)))
    await asyncio.sleep(0.1)
    assert said == ["an advertisement from 192.0.2.77 was not taken: not an IPv4 packet"]
    one.close()


@timeless
async def test_what_cannot_be_sent_or_received_is_logged_and_passes(said):
    raw = RawSocket()
    one, got = opened(raw)
    raw.error = refused(errno.ENETUNREACH)
    one.send(Outgoing(200, State.ACTIVE, "", ("192.0.2.100", "2001:db8::100")))
    raw.error = None
    raw.put(refused(errno.ENETDOWN))
    raw.put_v4("192.0.2.12", advert("192.0.2.12", "192.0.2.11"))
    await asyncio.sleep(0.1)
    assert said == ["heartbeat to 192.0.2.12 cannot be sent: Network is unreachable", "heartbeats cannot be received: Network is down"]
    assert len(got) == 1
    one.send(Outgoing(200, State.ACTIVE, "", ("192.0.2.100", "2001:db8::100")))
    message, destination = raw.sent[0]
    assert vrrp.decode(message, "192.0.2.11", destination).addresses == ("192.0.2.100",)
    one.park()
    one.unpark()
    one.close()


@timeless
async def test_a_group_is_joined_again_when_its_interface_was_replaced_and_not_for_a_queue_that_is_full(said):
    raws = [RawSocket(), RawSocket()]
    given = list(raws)

    def open_socket(*_kind):
        if not given:
            raise refused(errno.ENODEV)
        return given.pop(0)

    one, got = opened(open_socket, mode="multicast")
    message = Outgoing(200, State.ACTIVE, "", ())
    raws[0].error = refused(errno.ENOBUFS)
    one.send(message)
    assert (len(given), raws[0].closed) == (1, False)
    raws[0].error = refused(errno.ENODEV)
    one.send(message)
    assert ([destination for _packet, destination in raws[1].sent], raws[0].closed) == ([GROUP], True)
    raws[1].put_v4("192.0.2.12", advert("192.0.2.12", GROUP), GROUP)
    await asyncio.sleep(0.1)
    assert len(got) == 1
    raws[1].error = refused(errno.ENODEV)
    one.send(message)
    assert raws[1].closed is False, "there is no interface yet, so it is tried again with the next one"
    assert said == [f"heartbeat to {GROUP} cannot be sent: {why}" for why in ("No buffer space available", "No such device")]
    one.close()


@pytest.mark.parametrize(
    ("me", "other", "mode", "bound"), [(ME, OTHER, "unicast", True), (ME, OTHER, "multicast", False), (ME6, OTHER6, "multicast", True)]
)
@timeless
async def test_a_socket_is_bound_to_the_nodes_address_where_that_does_not_keep_the_groups_packets_away(me, other, mode, bound):
    raw = RawSocket()
    one, _got = opened(raw, me, other, mode)
    assert raw.bound == (me.address if bound else None)
    joined = [option for option in raw.options if option[1] in (socket.IP_ADD_MEMBERSHIP, socket.IPV6_JOIN_GROUP)]
    assert bool(joined) is (mode == "multicast")
    if ":" in me.address:
        assert joined[0][2] == socket.inet_pton(socket.AF_INET6, GROUP6) + struct.pack("@I", 2)
    one.close()


@timeless
async def test_a_socket_that_cannot_be_had_is_told_in_words_and_left_open_nowhere():
    raw = RawSocket()
    raw.error = PermissionError(errno.EPERM, "Operation not permitted")
    with pytest.raises(CannotOpen, match="CAP_NET_RAW"):
        opened(raw)
    raw = RawSocket()
    raw.error = refused(errno.EADDRNOTAVAIL)
    with pytest.raises(CannotOpen, match=r"Cannot assign requested address\. Give this node's own address"):
        opened(raw)
    assert raw.closed
    raw = RawSocket()
    with pytest.raises(CannotOpen, match="no interface has 2001:db8::99"):
        opened(raw, Node("lb-a", "2001:db8::99"), OTHER6, "multicast")
    assert raw.closed
    assert Address(2, "2001:db8::11/64") in FakeKernel().there


@timeless
async def test_a_standby_node_which_sends_nothing_joins_the_group_anew_where_its_address_is_put_back():
    raws = [RawSocket(), RawSocket()]
    given, kernel = list(raws), FakeKernel()

    def open_socket(*_kind):
        if not given:
            raise refused(errno.ENODEV)
        return given.pop(0)

    one, got = opened(open_socket, mode="multicast")
    assert one.deaf(look(kernel)) == ""
    kernel.there = []
    assert one.deaf(look(kernel)) == "no interface has 192.0.2.11, so the group is not heard"
    kernel.there = [Address(9, "192.0.2.11/24")]
    assert (one.deaf(look(kernel)), raws[0].closed) == ("", True)
    raws[1].put_v4("192.0.2.12", advert("192.0.2.12", GROUP), GROUP)
    await asyncio.sleep(0.1)
    assert len(got) == 1
    assert one.deaf(look(kernel)) == ""
    kernel.there = [Address(10, "192.0.2.11/24")]
    assert "cannot be joined" in one.deaf(look(kernel))
    kernel.refuses["links"] = errno.EIO
    assert one.deaf(look(kernel)) == "", "a kernel that does not answer says nothing"
    one.close()


@pytest.mark.parametrize(("number", "left"), [(errno.ENOBUFS, False), (errno.EPERM, False), (errno.ENETUNREACH, False), (errno.EHOSTUNREACH, True)])
@timeless
async def test_what_did_not_leave_the_node_does_not_count_as_sent_but_a_peer_that_is_gone_is_no_reason_to_step_down(number, left, said):
    raw = RawSocket()
    one, _got = opened(raw)
    assert one.send(Outgoing(200, State.ACTIVE, "", ())) is True
    raw.error = refused(number)
    assert one.send(Outgoing(200, State.ACTIVE, "", ())) is left
    one.close()


def test_a_peers_link_local_address_is_reached_in_the_zone_of_our_own_whatever_the_peer_calls_its_interface():
    index = socket.if_nametoindex("lo")
    assert reached_from("fe80::1%lo", "fe80::2%ens3", 112) == ("fe80::2", 112, 0, index)
    assert reached_from("2001:db8::1", "2001:db8::2", 112) == ("2001:db8::2", 112)
    with pytest.raises(OSError):
        reached_from("fe80::1%none", "fe80::2%none", 112)
