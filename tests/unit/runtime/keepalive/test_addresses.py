"""Floating IPs on interfaces: leases, announcements, and what the kernel refuses."""

from __future__ import annotations

import dataclasses
import errno
import math

import pytest

from tandem._interfaces import Address
from tandem.keepalive import addresses as addresses_module
from tandem.keepalive.addresses import Addresses, NoInterface, look, take_off
from tests.support.keepalive_fakes import ETH0, ETH1, VIP, VIP6, FakeKernel, refused

NONE = dataclasses.replace(VIP, name="bound", address="192.0.2.50/24", attach="none")


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(addresses_module, "say", lambda level, text: lines.append(text))
    return lines


@pytest.fixture
def kernel():
    return FakeKernel()


@pytest.fixture
def frames():
    return []


@pytest.fixture
def made(kernel, frames, said):
    """``made(VIP, ...)``: addresses with a lease of 2 s, planned."""

    def make(*floating_ips):
        one = Addresses(0.9, kernel, lambda link, made: frames.append((link.name, len(made))))
        one.use(one.find(floating_ips, usable=False))
        return one

    return make


def run(one, start, end):
    """Tends as the time passes; the moments at which it was due."""
    moments = []
    while one.due() <= end:
        start = max(start, one.due())
        moments.append(start)
        one.tend(start)
        assert one.due() > start, "it must not be due again at once"
    return moments


def held(one, kernel):
    return {entry["name"]: entry["held"] for entry in one.view(look(kernel), served=False)}


def test_a_lease_is_renewed_four_times_in_its_life_and_ends_with_the_one_who_renews_it(made, kernel):
    one = made(VIP)
    one.acquire(100.0)
    run(one, 100.0, 110.0)
    assert kernel.did("add")[0] == [2, "192.0.2.100/24", 2]
    assert len(kernel.did("add")) == 21
    one.release()
    assert (kernel.leases(), one.due()) == ([], math.inf)


@pytest.mark.parametrize(("dead_after_s", "lease_s"), [(0.15, 1), (0.5, 1), (0.6, 2), (0.9, 2), (1.5, 3), (3.0, 5), (12.0, 14)])
def test_a_lease_outlasts_the_moment_of_the_takeover_and_not_much_more(kernel, dead_after_s, lease_s):
    one = Addresses(dead_after_s, kernel, lambda _link, _frames: None)
    one.use(one.find([VIP], usable=True))
    one.acquire(0.0)
    assert kernel.did("add") == [[2, VIP.address, lease_s]]
    renewed_s, early_s = one.due(), 0.25
    assert lease_s - early_s - renewed_s >= dead_after_s


def test_an_address_is_announced_when_it_is_taken_after_one_and_five_seconds_and_every_minute(made, kernel, frames):
    one = made(VIP, VIP6)
    moments, before = [], 0
    one.acquire(0.0)
    for tick in range(1000):
        if len(frames) > before:
            moments.append(tick / 4)
            before = len(frames)
        one.tend((tick + 1) / 4)
    assert [round(moment, 2) for moment in moments] == [0.0, 1.0, 5.0, 65.0, 125.0, 185.0, 245.0]
    assert frames[:2] == [("eth0", 2), ("eth0", 1)]


def test_what_the_kernel_refuses_is_said_once_tried_again_and_announced_only_when_it_is_there(made, kernel, frames, said):
    one = made(VIP)
    kernel.refuses["add"] = errno.ENOBUFS
    one.acquire(0.0)
    run(one, 0.0, 9.9)
    assert said == ["cannot hold 192.0.2.100/24 on eth0: No buffer space available"]
    assert (frames, held(one, kernel)) == ([], {"vip": False}), "who announces what it does not have draws traffic to nowhere"
    assert one.problems(look(kernel)) == [
        'floating IP "vip": this node is active, but eth0 does not have 192.0.2.100/24 (No buffer space available).'
    ]
    del kernel.refuses["add"]
    run(one, 9.9, 12.0)
    assert (frames, held(one, kernel), one.problems(look(kernel))) == ([("eth0", 2)], {"vip": True}, [])


def test_one_address_that_is_refused_keeps_no_other_from_being_held(made, kernel):
    kernel.known[2] = dataclasses.replace(ETH0, ipv6=False)
    one = made(VIP, VIP6)
    one.acquire(0.0)
    assert held(one, kernel) == {"vip": True, "vip6": False}


def test_an_interface_that_was_replaced_is_found_again_and_the_address_announced_there(made, kernel, frames):
    one = made(VIP)
    one.acquire(0.0)
    run(one, 0.0, 6.0)
    frames.clear()
    kernel.known, kernel.there = {9: dataclasses.replace(ETH0, index=9)}, [Address(9, "192.0.2.11/24")]
    run(one, 6.0, 8.0)
    assert (kernel.leases(), frames) == (["192.0.2.100/24"], [("eth0", 2)])
    assert one.view(look(kernel), served=False)[0]["interface"] == "eth0"


def test_a_hardware_address_that_has_changed_is_announced_at_once_and_from_then_on(kernel, said):
    sent = []
    one = Addresses(0.9, kernel, lambda link, made: sent.append((link.hardware, made)))
    one.use(one.find([VIP], usable=False))
    one.acquire(0.0)
    run(one, 0.0, 6.0)
    sent.clear()
    one.follow(look(kernel), 6.5)
    assert sent == []
    kernel.known[2] = dataclasses.replace(ETH0, hardware=bytes(5) + b"\x09")
    one.follow(look(kernel), 6.5)
    assert [hardware for hardware, _made in sent] == [bytes(5) + b"\x09"]
    assert all(bytes(5) + b"\x09" in frame for frame in sent[0][1])
    run(one, 6.5, 12.0)
    assert [hardware for hardware, _made in sent] == [bytes(5) + b"\x09"] * 3
    one.release()
    one.acquire(20.0)
    assert sent[-1][0] == bytes(5) + b"\x09"


@pytest.mark.parametrize("broken", ["links", "addresses"])
def test_an_interface_that_has_gone_while_the_kernel_cannot_be_read_ends_nothing(made, kernel, broken, said):
    one = made(VIP)
    one.acquire(0.0)
    kernel.known, kernel.there = {}, []
    kernel.refuses[broken] = errno.ENOBUFS
    run(one, 0.0, 5.0)
    assert said == ["cannot hold 192.0.2.100/24 on eth0: No such device"]
    del kernel.refuses[broken]
    kernel.known, kernel.there = {9: dataclasses.replace(ETH0, index=9)}, [Address(9, "192.0.2.11/24")]
    run(one, 5.0, 8.0)
    assert kernel.leases() == ["192.0.2.100/24"]


def test_announcements_that_cannot_be_sent_are_said_and_the_lease_is_renewed_all_the_same(kernel, said):
    def refuse(_link, _frames):
        raise refused(errno.ENETDOWN)

    one = Addresses(0.9, kernel, refuse)
    one.use(one.find([VIP], usable=True))
    one.acquire(0.0)
    run(one, 0.0, 10.0)
    assert said == ["cannot announce 192.0.2.100 on eth0: Network is down"] * 3
    assert len(kernel.did("add")) > 15


def test_a_kernel_that_does_not_answer_is_told_in_words(made, kernel, said):
    one = made(VIP)
    kernel.add = lambda *_details: (_none for _none in ()).throw(TimeoutError())
    one.acquire(0.0)
    assert said == ["cannot hold 192.0.2.100/24 on eth0: no answer in time"]


def test_held_is_what_the_kernel_has_whoever_put_it_there_or_took_it_away(made, kernel):
    one = made(VIP, NONE)
    assert held(one, kernel) == {"vip": False, "bound": False}
    one.acquire(0.0)
    assert held(one, kernel) == {"vip": True, "bound": False}
    kernel.there = [address for address in kernel.there if address.ip != VIP.ip]
    assert held(one, kernel) == {"vip": False, "bound": False}
    assert "this node is active, but eth0 does not have 192.0.2.100/24" in one.problems(look(kernel))[0]
    one.release()
    kernel.known[3] = ETH1
    kernel.there.append(Address(3, VIP.address))
    assert one.view(look(kernel), served=False)[1] == {"name": "vip", "address": VIP.address, "interface": "eth1", "held": True}
    assert one.problems(look(kernel)) == [
        'floating IP "vip": this node is not active, but eth1 has 192.0.2.100/24. Take it off there (ip address del).'
    ]


def test_a_floating_ip_on_no_interface_is_held_where_the_proxy_serves_it(made, kernel):
    one = made(NONE)
    assert [entry["held"] for served in (False, True) for entry in one.view(look(kernel), served=served)] == [False, True]
    kernel.refuses["addresses"] = errno.EPERM
    assert one.problems(look(kernel)) == [], "the kernel was not needed"


def test_a_kernel_that_cannot_be_read_is_a_problem_and_nothing_is_claimed(made, kernel):
    one = made(VIP)
    one.acquire(0.0)
    kernel.refuses["addresses"] = errno.EMFILE
    assert held(one, kernel) == {"vip": False}
    assert one.problems(look(kernel)) == ["the kernel does not tell which addresses this node has: Too many open files"]


def test_an_ipv6_address_on_an_interface_without_ipv6_is_refused_in_a_new_document_and_a_problem_in_one_that_is_there(kernel, made):
    kernel.known[2] = dataclasses.replace(ETH0, ipv6=False)
    one = made(VIP, VIP6)
    (problem,) = one.problems(look(kernel))
    for word in ('floating IP "vip6"', '"2001:db8::100/64"', "IPv6 is disabled on eth0", "net.ipv6.conf.eth0.disable_ipv6=0"):
        assert word in problem
    assert one.find([VIP, VIP6], usable=True).wanted.keys() == {"vip", "vip6"}, "it is no news"
    with pytest.raises(NoInterface, match="IPv6 is disabled on eth0"):
        one.find([VIP, dataclasses.replace(VIP6, address="2001:db8::101/64")], usable=True)
    kernel.known[2] = ETH0
    assert one.problems(look(kernel)) == []


def test_a_plan_that_cannot_be_made_changes_nothing(made, kernel):
    one = made(VIP)
    one.acquire(0.0)
    before = list(kernel.there)
    for impossible, said in ((dataclasses.replace(VIP, address="203.0.113.1/24"), "outside"), (dataclasses.replace(VIP, interface="eth7"), "eth0")):
        with pytest.raises(NoInterface, match=said):
            one.find([impossible], usable=True)
    assert (kernel.there, held(one, kernel)) == (before, {"vip": True})


def test_what_is_no_longer_in_the_plan_is_taken_off(made, kernel):
    one = made(VIP, VIP6)
    one.acquire(0.0)
    one.use(one.find([VIP6], usable=True))
    assert kernel.leases() == [VIP6.address]


def test_leftovers_are_taken_off_but_nothing_that_is_anothers(made, kernel, said):
    kernel.known[3] = ETH1
    mine = [Address(2, VIP.address), Address(3, VIP.address, 2), Address(2, VIP6.address, 1)]
    others = [Address(2, "192.0.2.11/24"), Address(2, "192.0.2.77/24", 5), Address(3, VIP6.address), Address(2, NONE.address, 5)]
    others.append(Address(2, "2001:db8::11/64"))
    kernel.there = mine + others
    made(VIP, VIP6, NONE).remove_leftovers()
    assert kernel.there == others, "a lease is ours wherever it is; one for ever is only where the floating IP belongs"
    kernel.refuses["addresses"] = errno.EIO
    assert take_off(kernel, [VIP], {}) is False
    assert "leases of this node run out by themselves" in said[-1]


def test_an_address_that_cannot_be_taken_off_keeps_no_other_on(made, kernel, said):
    one = made(VIP, VIP6)
    one.acquire(0.0)
    kernel.refuses["remove"] = errno.EPERM
    one.release()
    assert len(kernel.did("remove")) == 2
    assert said == [f"cannot take {address} off eth0: Operation not permitted" for address in (VIP.address, VIP6.address)]
    kernel.refuses["remove"] = errno.EADDRNOTAVAIL
    one.acquire(1.0)
    one.release()
    assert len(said) == 2, "it is not there, which is what was wanted"
