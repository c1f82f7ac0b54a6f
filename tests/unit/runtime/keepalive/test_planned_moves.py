"""Planned moves between two nodes that hear each other: connections are kept, passed on, and come to an end, whatever ends them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses

import pytest

from tandem._interfaces import Address
from tandem.keepalive import move_rules
from tandem.keepalive.addresses import look
from tandem.keepalive.events import Heard
from tandem.keepalive.instance import Instance
from tandem.keepalive.move_rules import Towards
from tandem.keepalive.transport import Received, rank_of
from tests.support.keepalive_fakes import ETH0, ME, OTHER, VIP, VIP6, World, settings
from tests.support.timeless import timeless

PLAIN = dataclasses.replace(VIP, attach="none")


class Side:
    """One node: ``world`` is what it has, ``one`` its part of the load balancer."""

    def __init__(self, me, floating_ips):
        self.me, self.world = me, World(chatty=False)
        last = me.address.rpartition(".")[2]
        self.world.kernel.known[2] = dataclasses.replace(ETH0, hardware=bytes(5) + bytes([int(last)]))
        self.world.kernel.there = [Address(2, f"192.0.2.{last}/24"), Address(2, f"2001:db8::{last}/64")]
        self.one = Instance(settings(*floating_ips, me=me), self.world.outside, self.world.proxy, usable=True)
        self.transport = self.world.transports[0]
        self.cut = False

    def connect(self, other):
        def hear(message):
            if not (self.cut or other.cut):
                heard = Heard(message.priority, 0.3, rank_of(self.me.address))
                other.transport.receive(Received(self.me.node, "active" if message.priority else "resigned", "", heard))
            return True

        def hear_note(_node, note):
            if not (self.cut or other.cut):
                other.transport.receive(Received(self.me.node, "", "", None, note))

        self.transport.send, self.transport.send_note = hear, hear_note

    @property
    def state(self):
        return self.one.view(look(self.world.kernel))["state"]

    @property
    def move(self):
        return self.one.view(look(self.world.kernel))["move"]

    @property
    def kept_addresses(self):
        return sorted(held.cidr for held in self.world.kernel.there if held.link == 1)


class Pair:
    def __init__(self, *floating_ips):
        self.a, self.b = Side(ME, floating_ips), Side(OTHER, floating_ips)
        self.a.connect(self.b)
        self.b.connect(self.a)

    async def begin(self):
        for side in (self.a, self.b):
            side.one.begin()
            side.one.set_health(True, "")
        await asyncio.sleep(5)
        assert (self.a.state, self.b.state) == ("active", "standby")

    async def hand_over(self, grace_s=60.0, start=None):
        one = (start or self.a).one
        offered = await one.moves.offer(grace_s)
        one.hand_over(keep=not offered.why)
        await asyncio.sleep(0.2)
        return offered


@contextlib.asynccontextmanager
async def pair_of(*floating_ips):
    pair = Pair(*(floating_ips or (VIP, VIP6)))
    await pair.begin()
    try:
        yield pair
    finally:
        for side in (pair.a, pair.b):
            await side.one.moves.end()
            side.one.close()


@timeless
async def test_the_old_node_keeps_its_connections_until_they_have_ended_and_the_new_one_passes_their_packets_on():
    async with pair_of() as pair:
        pair.a.world.proxy.left = [2, 2, 2, 1, 1, 0]
        offered = await pair.hand_over()
        assert (offered.why, offered.answer.forwards, pair.a.state, pair.b.state) == ("", True, "standby", "active")
        assert (pair.a.world.kernel.leases(), pair.a.kept_addresses) == (["192.0.2.100/32", "2001:db8::100/128"], pair.a.kept_addresses)
        (passing,) = pair.b.world.nft.applied
        for words in ("dup to 192.0.2.11 device", "dup to 2001:db8::11 device", "ether saddr { 00:00:00:00:00:0b }", "tcp timeout 3s"):
            assert words in passing
        assert "arp daddr ip { 192.0.2.100 } drop" in pair.a.world.nft.applied[-1]
        assert "arp saddr ip set 192.0.2.11" in pair.a.world.nft.applied[-1]
        assert (pair.a.move["part"], pair.a.move["peer"], pair.a.move["connections"]) == ("keeps", "lb-b", 2)
        assert (pair.b.move["part"], pair.b.move["peer"]) == ("passes on", "lb-a")
        await asyncio.sleep(4)
        assert (pair.a.move, pair.b.move, pair.a.kept_addresses, pair.a.world.proxy.finished) == (None, None, [], ["edge"])
        for side in (pair.a, pair.b):
            assert "table" in side.world.nft.applied[-1]
            assert "chain" not in side.world.nft.applied[-1], "the rules are gone"


@timeless
async def test_the_new_node_announces_itself_once_more_when_nobody_else_answers_for_the_addresses():
    async with pair_of(VIP) as pair:
        pair.a.world.proxy.left = [1]
        said = len(pair.b.world.frames)
        gate = asyncio.Event()
        apply = pair.a.world.nft.apply

        async def slow(text, *, check=False):
            if not check:
                await gate.wait()
            return await apply(text, check=check)

        pair.a.world.nft.apply = slow
        await pair.hand_over()
        assert len(pair.b.world.frames) == said + 1
        gate.set()
        await asyncio.sleep(0.02)
        assert len(pair.b.world.frames) == said + 2


@timeless
async def test_connections_that_are_left_when_the_time_is_over_are_ended_before_the_addresses_go():
    async with pair_of() as pair:
        pair.a.world.proxy.left = [3]
        await pair.hand_over(grace_s=10)
        await asyncio.sleep(9)
        assert (pair.a.move["connections"], pair.a.move["ends_ms"] < 1000) == (3, True)
        assert pair.b.move["part"] == "passes on"
        await asyncio.sleep(2)
        assert (pair.a.move, pair.b.move, pair.a.world.proxy.finished, pair.a.kept_addresses) == (None, None, ["edge"], [])


WITHOUT = {
    "no nft on the active node": (lambda pair: setattr(pair.a.world.nft, "failure", "nft is not installed"), "nft is not installed"),
    "no nft on the other one": (lambda pair: setattr(pair.b.world.nft, "failure", "nft is not installed"), "lb-b: nft is not installed"),
    "a peer that answers nothing": (lambda pair: setattr(pair.b, "cut", True), "has not said that it would pass their packets on"),
    "a peer in fault": (lambda pair: pair.b.one.set_health(False, "its proxy"), "lb-b: its proxy"),
    "nodes on different networks": (
        lambda pair: setattr(pair.b.world.kernel, "there", [Address(2, "192.0.2.200/26"), Address(2, "2001:db8::12/64")]),
        "lb-b: on eth0 there is no network that has 192.0.2.100 and an address of the other node",
    ),
}


@pytest.mark.parametrize("case", WITHOUT)
@timeless
async def test_where_connections_cannot_be_kept_the_reason_is_told_and_nothing_is_left_of_it(case):
    prepare, words = WITHOUT[case]
    async with pair_of() as pair:
        prepare(pair)
        offered = await pair.hand_over()
        assert words in offered.why
        assert (pair.a.kept_addresses, pair.a.move, pair.b.move) == ([], None, None)
        assert [text for side in (pair.a, pair.b) for text in side.world.nft.applied if "chain" in text] == []


@timeless
async def test_floating_ips_that_no_interface_has_and_a_grace_of_nothing_keep_nothing():
    async with pair_of(VIP) as pair:
        assert "grace" in (await pair.a.one.moves.offer(0)).why
    async with pair_of(PLAIN) as pair:
        assert "attach: none" in (await pair.hand_over()).why


@timeless
async def test_a_node_that_is_active_again_answers_for_the_addresses_at_once():
    async with pair_of() as pair:
        pair.a.world.proxy.left = [3]
        await pair.hand_over()
        pair.b.cut = True
        await asyncio.sleep(3)
        assert (pair.a.state, pair.a.move, pair.a.kept_addresses) == ("active", None, [])
        assert pair.a.world.kernel.leases() == [VIP.address, VIP6.address]
        assert "chain" not in pair.a.world.nft.applied[-1]
        assert pair.a.world.proxy.quiesced == [(False, False)], "clients are kept again"


@timeless
async def test_packets_are_passed_on_no_longer_when_the_other_node_is_not_heard_to_keep_or_the_move_does_not_come():
    async with pair_of() as pair:
        pair.a.world.proxy.left = [3]
        await pair.hand_over()
        pair.a.cut = True
        await asyncio.sleep(5)
        assert pair.b.move["part"] == "passes on"
        await asyncio.sleep(2)
        assert (pair.b.move, "chain" in pair.b.world.nft.applied[-1]) == (None, False)
    async with pair_of() as pair:
        await pair.a.one.moves.offer(60.0)
        assert "chain" in pair.b.world.nft.applied[-1]
        await asyncio.sleep(6)
        assert "chain" not in pair.b.world.nft.applied[-1]
    async with pair_of() as pair:
        await pair.a.one.moves.offer(60.0)
        pair.a.one.moves.withdraw()
        await asyncio.sleep(0.01)
        assert "chain" not in pair.b.world.nft.applied[-1]


@timeless
async def test_a_node_that_is_handed_back_what_it_keeps_asks_its_kernel_alone_what_is_old():
    async with pair_of() as pair:
        pair.a.world.proxy.left = pair.b.world.proxy.left = [3]
        await pair.hand_over()
        assert (pair.a.move["part"], pair.b.move["part"]) == ("keeps", "passes on")
        await pair.hand_over(start=pair.b)
        assert (pair.a.state, pair.a.move["part"], pair.b.move["part"]) == ("active", "passes on", "keeps")
        passing = next(text for text in pair.a.world.nft.applied if "chain moved" in text)
        assert "tcp timeout 3s" not in passing, "whatever did not begin a moment ago would be taken for old"


@timeless
async def test_a_node_whose_proxy_dies_keeps_nothing_and_says_so():
    async with pair_of() as pair:
        pair.a.world.proxy.left = [3]
        await pair.hand_over()
        pair.a.one.set_health(False, "the proxy has died")
        await asyncio.sleep(0.01)
        assert (pair.a.move, pair.b.move, pair.a.kept_addresses) == (None, None, [])


def test_what_the_kernel_serves_is_not_passed_on_as_it_knows_old_connections_itself():
    way = Towards("10.99.0.100", "eth0", "10.99.0.11", "02:00:00:00:00:01")
    plain = move_rules.passing_on("moved", [way], 60.0, learns=True)
    spared = move_rules.passing_on("moved", [way], 60.0, learns=True, spared=[("10.99.0.100", 80), ("fd99::100", 80)])
    rule = "  ip daddr . tcp dport { 10.99.0.100 . 80 } accept\n"
    assert spared.replace(rule, "") == plain
    assert spared.index(rule) < spared.index("goto moved")
