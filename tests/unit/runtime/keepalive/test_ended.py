"""What is left of a service that was killed: it resigns late, and lets go once its peer has taken over."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import json

import pytest

from tandem._interfaces import Address
from tandem._model import Document
from tandem._paths import Paths
from tandem._store import Store
from tandem.keepalive.ended import end
from tests.support.keepalive_fakes import VIP, VIP6, World, load_balancer
from tests.support.timeless import timeless

FAR = dataclasses.replace(VIP6, name="far", address="203.0.113.1/24")
EDGE = load_balancer(floating_ips=["far", "vip", "vip6"])


@pytest.fixture
def paths(tmp_path):
    made = Paths(str(tmp_path))
    made.etc.mkdir(parents=True)
    made.node.write_text(json.dumps({"node": "lb-a"}))
    document = Document(1)
    for thing in (FAR, VIP, VIP6, EDGE):
        document = document.with_object(thing)
    Store(made).write(document)
    return made


def left_behind():
    world = World()
    world.kernel.there += [Address(2, VIP.address, 2), Address(3, VIP6.address, 2)]
    return world


@timeless
async def test_the_addresses_stay_until_the_peer_has_them(paths):
    world = left_behind()
    ending = asyncio.ensure_future(end(paths, world.outside))
    await asyncio.sleep(0.1)
    (transport,) = world.transports
    assert transport.sent == [(0, "active")], "it resigns"
    transport.hear(active=False)
    transport.hear(priority=0)
    await asyncio.sleep(0.1)
    assert len(world.kernel.leases()) == 2
    transport.hear()
    await asyncio.sleep(0.02)
    assert len(world.kernel.leases()) == 2, "the peer has said so, and takes them now"
    await asyncio.sleep(0.1)
    assert (world.kernel.leases(), ending.result(), transport.open) == ([], 0, False), "wherever they were"


@timeless
async def test_without_a_peer_that_takes_over_they_are_taken_off_all_the_same_after_an_interval(paths):
    world, began = left_behind(), asyncio.get_running_loop().time()
    assert await end(paths, world.outside) == 0
    assert (world.kernel.leases(), asyncio.get_running_loop().time() - began) == ([], pytest.approx(0.6))


@timeless
async def test_a_service_that_ended_in_order_has_nothing_to_say(paths):
    world = World()
    world.kernel.there.append(Address(2, VIP.address))  # for ever: not made by the service
    assert await end(paths, world.outside) == 0
    assert world.transports == []


@timeless
async def test_who_cannot_resign_takes_the_addresses_off_all_the_same(paths, capsys):
    world = left_behind()
    world.ports.add(EDGE.heartbeat.port)
    assert await end(paths, world.outside) == 0
    assert world.kernel.leases() == []
    assert "it could not resign" in capsys.readouterr().err


@timeless
async def test_what_cannot_be_taken_off_is_told_by_the_exit_status(paths):
    world = left_behind()
    world.kernel.refuses["addresses"] = errno.EMFILE
    assert await end(paths, world.outside) == 1
    paths.desired.write_text("{")
    assert await end(paths, world.outside) == 1
