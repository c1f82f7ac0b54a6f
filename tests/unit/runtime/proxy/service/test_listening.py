"""Binding what is wanted: what stays missing and why, how often that is looked up, and what is foreseen of a node that is not active."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys

import pytest

from tandem.proxy.service import listening, ports
from tandem.proxy.service.listeners import bind
from tandem.proxy.service.listening import Listening, NotBound
from tandem.proxy.service.wanted import Wanted
from tests.support.node import ADDRESS, alive, free_port, occupied
from tests.support.origin import run


def want(port, address=ADDRESS, name="web"):
    return Wanted(f"edge/{name}", address, port, False)


def always(_want):
    return True


def never(_want):
    return False


class Counted:
    """Explains, and counts how often, and what."""

    def __init__(self, monkeypatch):
        self.asked = []
        explain = ports.explain

        def counting(failures):
            self.asked.append(sorted(wanted.port for wanted in failures))
            return explain(failures)

        monkeypatch.setattr(ports, "explain", counting)


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@run
async def test_who_holds_a_port_is_looked_up_once_and_not_at_every_try(monkeypatch):
    counted, clock, port, other = Counted(monkeypatch), Clock(), free_port(), free_port()
    place = Listening(clock)
    with occupied(port) as holder, occupied(other):
        assert await place.open([want(port), want(other, name="other")], always) == []
        for _try in range(30):
            assert await place.retry() == []
            clock.now_s += 0.05
        assert counted.asked == [sorted((port, other))]  # both in one reading of /proc
        assert f"(process {holder})" in place.problems()[ADDRESS, port]
    with occupied(port) as another:
        assert await place.retry() == [(ADDRESS, other)]
        assert f"(process {holder})" in place.problems()[ADDRESS, port]
        clock.now_s += 10  # it is looked up again in time
        assert await place.retry() == []
        assert f"(process {another})" in place.problems()[ADDRESS, port]
    assert await place.retry() == [(ADDRESS, port)]
    assert (place.problems(), place.is_missing, len(counted.asked)) == ({}, False, 2)
    place.close_all()


@run
async def test_another_error_is_another_explanation(monkeypatch):
    counted, errors = Counted(monkeypatch), [errno.EADDRINUSE, errno.EACCES, errno.EACCES, errno.EADDRNOTAVAIL, errno.ENOBUFS]

    def fails(_want, _leaving):
        raise OSError(errors[0], "no")

    monkeypatch.setattr(listening, "bind", fails)
    place, said = Listening(), []
    await place.open([want(80)], always)
    said.append(place.problems()[ADDRESS, 80])
    while len(errors) > 1:
        errors.pop(0)
        await place.retry()
        said.append(place.problems()[ADDRESS, 80])
    assert len(counted.asked) == 4
    for found, words in zip(said, ("is taken", "needs a privilege", "needs a privilege", "no such address on this node", "No buffer space")):
        assert words in found


@run
async def test_all_is_as_before_when_one_that_must_be_bound_is_not():
    taken, free = free_port(), free_port()
    place = Listening()
    with occupied(taken) as holder:
        with pytest.raises(NotBound, match=rf"\(process {holder}\)") as refused:
            await place.open([want(free, name="free"), want(taken)], never)
        assert len(refused.value.reasons) == 1
        assert (place.sockets, place.problems()) == ({}, {})
    with socket.create_server((ADDRESS, free)):
        pass  # nobody is left there


@run
async def test_the_end_of_the_service_in_the_middle_of_a_change_leaves_no_listener(monkeypatch):
    place, bound = Listening(), []

    def bind_and_end(wanted, leaving=()):
        bound.append(wanted)
        sock = bind(wanted, leaving)
        if len(bound) == 2:
            asyncio.get_running_loop().call_soon(place.close_all)
        return sock

    async def rest(_pace):
        await asyncio.sleep(0)

    monkeypatch.setattr(listening, "bind", bind_and_end)
    monkeypatch.setattr(listening.Pace, "rest", rest)
    opened = await place.open([want(free_port(), name=str(number)) for number in range(4)], always)
    assert (len(bound), len(opened), place.sockets) == (2, 2, {})
    await place.close(opened)


@run
async def test_what_another_program_holds_is_foreseen_by_a_node_that_is_not_active_and_what_another_node_holds_is_not(tmp_path):
    foreign, other_nodes, free = free_port(), free_port(), free_port()
    program = tmp_path / "tandem" / "__main__.py"
    program.parent.mkdir()
    program.write_text(f"import socket; s = socket.create_server(({ADDRESS!r}, {other_nodes})); print(flush=True); input()")
    peer = subprocess.Popen([sys.executable, "-I", str(program), "--prefix", "x", "proxy"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    place = Listening()
    try:
        peer.stdout.readline()
        with occupied(foreign) as holder:
            await place.foresee([want(port) for port in (foreign, other_nodes, free)])
            assert list(place.problems()) == [(ADDRESS, foreign)]
            assert "is taken by python" in place.problems()[ADDRESS, foreign]
            assert f"(process {holder})" in place.problems()[ADDRESS, foreign]
            assert (place.is_foreseen, place.is_missing, place.problems_of("edge")) == (True, False, [])
        await place.foresee([want(foreign)])
        assert (place.problems(), place.is_foreseen) == ({}, False)
    finally:
        peer.kill()
        peer.communicate()
    assert not alive(peer.pid)


def test_a_program_whose_descriptors_nobody_may_see_is_named_by_its_user(monkeypatch):
    port = free_port()
    monkeypatch.setattr(ports, "_processes", lambda _inodes: {})
    with occupied(port):
        (why,) = ports.explain({want(port): errno.EADDRINUSE}).values()
    assert "is taken by a program of user " in why
