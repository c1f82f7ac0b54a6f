"""One load balancer on a made-up node: that its election goes on whatever fails, and that a document is used whole or not at all."""

from __future__ import annotations

import asyncio
import dataclasses
import errno

import pytest

from tandem._interfaces import Address
from tandem.keepalive import complaints
from tandem.keepalive.addresses import NoInterface, look
from tandem.keepalive.instance import Instance
from tandem.keepalive.transport import CannotOpen
from tests.support.keepalive_fakes import ETH0, ME, OTHER, VIP, VIP6, World, refused, settings
from tests.support.timeless import timeless

DOWN_S = 1.2


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(complaints, "say", lambda level, text: lines.append(f"{level}: {text}"))
    return lines


def begun(world, **options):
    one = Instance(settings(**options), world.outside, world.proxy, usable=True)
    one.begin()
    one.set_health(True, "")
    return one


async def active(world, **options):
    one = begun(world, **options)
    await asyncio.sleep(DOWN_S)
    assert one.active
    return one


def state(world, one):
    return one.view(look(world.kernel))["state"]


@timeless
async def test_an_active_node_holds_the_address_tells_the_proxy_and_advertises_every_interval():
    world = World(chatty=False)
    one = await active(world)
    assert (world.kernel.leases(), world.proxy.told) == ([VIP.address], [("edge", True)])
    sent = len(world.transports[0].sent)
    await asyncio.sleep(3.05)
    assert len(world.transports[0].sent) - sent == pytest.approx(10, abs=1)
    one.leave()
    assert world.transports[0].sent[-1] == (0, "active"), "it resigned"
    assert (world.kernel.leases(), world.proxy.told[-1]) == ([], ("edge", False))
    one.close()
    before = len(world.transports[0].sent)
    await asyncio.sleep(10)
    assert len(world.transports[0].sent) == before, "it has ended"


@timeless
async def test_a_standby_nodes_own_address_is_announced_where_its_interface_was_replaced_as_nobody_hears_a_peer_that_sends_elsewhere():
    world = World(chatty=False)
    one = begun(world)
    one.look_at_links(look(world.kernel))
    assert world.frames == [], "it lies where it has lain"
    world.kernel.known[2] = dataclasses.replace(ETH0, hardware=bytes(5) + b"\x09")
    for _look in range(2):
        one.look_at_links(look(world.kernel))
    assert world.frames == [("eth0", 2)], "once, as ARP in both forms"


@timeless
async def test_what_a_node_has_become_is_the_last_that_it_says_when_it_has_handed_over():
    world = World(chatty=True)
    one = await active(world)
    one.hand_over()
    assert world.transports[0].sent[-2:] == [(0, "active"), (200, "standby")]
    await asyncio.sleep(0.11)
    assert (world.kernel.leases(), world.transports[0].sent[-2:]) == ([], [(0, "active"), (200, "standby")]), "nobody has come"


@pytest.mark.parametrize("chatty", [True, False])
@timeless
async def test_heartbeats_that_cannot_be_sent_end_neither_the_election_nor_the_lease(chatty, said):
    world = World(chatty)
    one = await active(world)
    world.transports[0].error = refused(errno.ENOBUFS)
    steps = one._steps
    await asyncio.sleep(30)
    assert 60 < one._steps - steps < 300, "it goes on, and not in a hurry"
    assert (state(world, one), world.kernel.leases()) == ("active", [VIP.address])
    world.transports[0].error = None
    sent = len(world.transports[0].sent)
    await asyncio.sleep(1)
    assert len(world.transports[0].sent) > sent
    assert set(said) <= {f"error: load balancer edge: {what}: No buffer space available" for what in ("carry_out", "say_hello")}
    assert 3 <= len(said) <= 6


@timeless
async def test_both_sides_of_a_conflict_log_it_with_sources_and_durations_and_show_it(capsys):
    world = World()
    one = await active(world)
    await asyncio.sleep(5)
    frames = len(world.frames)
    world.transports[0].hear()
    world.transports[0].hear()
    assert len(world.frames) == frames + 1
    await asyncio.sleep(0.5)
    world.transports[0].hear(priority=0)
    assert (len(world.frames), one.view(look(world.kernel))["conflicts"]["count"]) == (frames + 2, 1)
    await asyncio.sleep(7)
    assert len(world.frames) == frames + 4, "again after one second and five"
    view = one.view(look(world.kernel))["conflicts"]["last"]
    assert (view["peer"], view["lasted_ms"], view["ended"], view["won"]) == ("lb-b", 500, True, True)
    world.transports[0].hear(priority=254)
    assert one.view(look(world.kernel))["conflicts"]["last"]["won"] is False
    logged = capsys.readouterr().err
    for words in (
        "this node (192.0.2.11, priority 200) and lb-b (192.0.2.12, priority 100) are both active; this one has been for",
        "the conflict with lb-b (192.0.2.12, priority 100) has ended (heard of it for 0.5 s",
        "the conflict with lb-b (192.0.2.12, priority 254) has ended (heard of it for 0.0 s",
    ):
        assert words in logged


@timeless
async def test_a_peer_that_keeps_losing_does_not_fill_the_log(capsys):
    world = World()
    one = await active(world)
    for _conflict in range(200):
        world.transports[0].hear()
        world.transports[0].hear(priority=0)
        await asyncio.sleep(0.02)
    assert one.view(look(world.kernel))["conflicts"]["count"] == 200
    assert 2 <= capsys.readouterr().err.count("conflict with") <= 6


@timeless
async def test_a_node_whose_heartbeats_do_not_leave_lets_go_of_the_addresses(said):
    world = World(chatty=False)
    one = await active(world)
    world.transports[0].leaves = False
    await asyncio.sleep(1.3)
    assert (state(world, one), world.kernel.leases()) == ("standby", [])


@timeless
async def test_an_active_node_whose_resignation_cannot_be_sent_lets_go_all_the_same(said):
    world = World()
    one = await active(world)
    world.transports[0].error = refused(errno.ENETUNREACH)
    one.set_health(False, "the proxy has died")
    assert (state(world, one), world.kernel.leases(), world.proxy.told[-1]) == ("fault", [], ("edge", False))


@pytest.mark.parametrize("operation", ["add", "remove", "links", "addresses"])
@timeless
async def test_no_refusal_of_the_kernel_ends_an_election(operation):
    world = World()
    one = begun(world)
    world.kernel.refuses[operation] = errno.ENOBUFS
    await asyncio.sleep(10)
    assert state(world, one) == "active"
    world.transports[0].hear(priority=254)
    assert state(world, one) == "standby"
    await asyncio.sleep(10)
    assert state(world, one) == "active"
    del world.kernel.refuses[operation]
    await asyncio.sleep(1.5)
    assert one.view(look(world.kernel))["floating_ips"][0]["held"] is True
    assert not one.stuck(1.0)


@timeless
async def test_an_error_of_the_program_in_one_tick_is_logged_and_the_next_tick_comes():
    world, uncaught = World(), []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: uncaught.append(context["exception"]))
    one = await active(world)
    world.clock_error = KeyError("unforeseen")
    await asyncio.sleep(1)
    world.clock_error = None
    steps = one._steps
    await asyncio.sleep(1)
    assert one._steps > steps
    assert 1 <= len(uncaught) <= 4, "and not in a hurry"
    assert all(isinstance(error, KeyError) for error in uncaught)


@timeless
async def test_an_election_that_stands_still_is_noticed_and_one_with_a_long_interval_is_not_taken_for_one():
    world = World()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    quick, slow = begun(world), begun(world, name="slow", port=7695, interval_ms=40_000)
    for _second in range(200):
        await asyncio.sleep(1)
        assert (quick.stuck(1.0), slow.stuck(1.0)) == (False, False)
    world.clock_error = KeyError("for ever")
    found = []
    for second in range(200):
        await asyncio.sleep(1)
        found += [(second, name) for name, one in (("quick", quick), ("slow", slow)) if one.stuck(1.0)]
    assert min(second for second, name in found if name == "quick") <= 7
    assert 115 <= min(second for second, name in found if name == "slow") <= 165


@pytest.mark.parametrize("how", ["cable", "interface", "deaf"])
@timeless
async def test_a_node_that_clients_or_peers_do_not_reach_gives_up_at_once_and_takes_part_again_when_they_do(how):
    world = World()
    one = await active(world)
    before = dict(world.kernel.known)
    if how == "cable":
        world.kernel.known[2] = dataclasses.replace(ETH0, carrier=False)
    elif how == "interface":
        del world.kernel.known[2]
    else:
        world.transports[0].deafness = "no interface has 192.0.2.11, so the group is not heard"
    world.transports[0].leaves = how == "deaf"
    one.look_at_links(look(world.kernel))
    view = one.view(look(world.kernel))
    assert (view["state"], world.kernel.leases(), world.proxy.told[-1]) == ("fault", [], ("edge", False))
    expected = {"cable": 'eth0, where floating IP "vip" belongs, has no carrier', "interface": "is not there", "deaf": "is not heard"}[how]
    assert expected in view["reason"]
    one.set_health(True, "")
    await asyncio.sleep(5)
    assert state(world, one) == "fault", "whatever the proxy says"
    world.kernel.known, world.transports[0].deafness, world.transports[0].leaves = before, "", True
    one.look_at_links(look(world.kernel))
    assert state(world, one) == "standby"
    world.kernel.refuses["links"] = errno.ENOBUFS
    one.look_at_links(look(world.kernel))
    assert state(world, one) == "standby", "a kernel that does not answer says nothing of a cable"


@timeless
async def test_an_interface_that_is_put_back_under_its_name_counts_as_the_same():
    world = World()
    one = await active(world)
    world.kernel.known = {9: dataclasses.replace(ETH0, index=9)}
    one.look_at_links(look(world.kernel))
    assert one.active


# Documents


@timeless
async def test_who_is_active_does_not_change_by_a_document_and_its_addresses_follow():
    world = World()
    one = await active(world)
    world.kernel.there.append(Address(2, "198.51.100.11/24"))
    new = settings(dataclasses.replace(VIP, address="198.51.100.100/24"), VIP6)
    one.park(new)
    one.prepare(new)
    assert world.kernel.leases() == [VIP.address], "nothing has changed yet"
    one.commit()
    one.resume()
    assert (one.active, world.kernel.leases()) == (True, ["198.51.100.100/24", VIP6.address])
    assert world.transports == world.transports[:1], "the same heartbeats go on through the same socket"


@timeless
async def test_a_document_that_is_taken_back_leaves_sockets_addresses_and_state_as_they_were():
    world = World()
    one = await active(world)
    before = one.view(look(world.kernel)), list(world.kernel.there), set(world.ports)
    for new, error in ((settings(dataclasses.replace(VIP, address="203.0.113.1/24")), NoInterface), (settings(port=7700), None)):
        one.park(new)
        if error:
            with pytest.raises(error):
                one.prepare(new)
        else:
            one.prepare(new)
            assert 7700 in world.ports
        one.take_back()
    assert (one.view(look(world.kernel)), world.kernel.there, world.ports) == before
    assert [transport.open for transport in world.transports] == [True, False]
    sent = len(world.transports[0].sent)
    await asyncio.sleep(1)
    assert len(world.transports[0].sent) > sent
    assert one.active


@timeless
async def test_a_port_that_is_taken_at_the_start_leaves_nothing_open():
    world = World()
    world.ports.add(7694)
    with pytest.raises(CannotOpen):
        begun(world)
    assert (world.transports, world.kernel.did("add")) == ([], [])


@timeless
async def test_a_proxy_that_does_not_confirm_that_the_node_is_active_is_a_problem():
    world = World()
    world.proxy.serves = lambda _name: False
    one = await active(world)
    assert one.view(look(world.kernel))["problems"] == [], "it is given some time"
    await asyncio.sleep(2)
    assert "its proxy has not confirmed" in one.view(look(world.kernel))["problems"][0]
    world.transports[0].hear(priority=254)
    assert one.view(look(world.kernel))["problems"] == []


@timeless
async def test_status_tells_of_peers_what_was_heard_and_when():
    world = World()
    one = begun(world)
    world.transports[0].hear(active=False)
    await asyncio.sleep(0.5)
    view = one.view(look(world.kernel))
    assert view["peers"] == {"lb-b": {"state": "standby", "last_heard_ms": 500, "digest": "aa", "jitter_us": None}}
    assert (view["node"], view["role"], view["problems"]) == ("lb-a", "master", [])
    await asyncio.sleep(10)
    assert one.view(look(world.kernel))["peers"]["lb-b"]["state"] == "silent"
    backup = Instance(settings(me=OTHER, port=7799), world.outside, world.proxy, usable=True)
    assert (backup.view(look(world.kernel))["role"], list(backup.view(look(world.kernel))["peers"])) == ("backup", [ME.node])
