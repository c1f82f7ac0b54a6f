"""The crew with workers that misbehave: real processes on the real channel, of which some say nothing, some nonsense, and some die."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import pytest

from tandem._model import Document
from tandem._paths import Paths
from tandem.proxy import crew
from tandem.proxy.crew import Crew, WorkerRefused
from tandem.release import program_command
from tests.support.node import alive, children

# A worker that answers as the real one does, but for what DOES says; it is given the channel's descriptor last.
WORKER = """
import json, os, socket, sys, time
channel = socket.socket(fileno=int(sys.argv[-1]))
def say(**message):
    channel.send(json.dumps(message).encode())
{start}
say(type="ready")
while True:
    packet, descriptors, _flags, _address = socket.recv_fds(channel, 65536, 16)
    if not packet:
        break
    for descriptor in descriptors:
        os.close(descriptor)
    message = json.loads(packet)
    kind = message["type"]
    {loop}
    if kind == "load": say(type="loaded", seq=message["seq"])
    if kind == "ping": say(type="pong")
    if kind == "stats": say(type="stats", seq=message["seq"])
    if kind == "drain": break
"""


class Team:
    """A crew of so many; every new worker behaves as ``does(start, loop)`` last said."""

    def __init__(self, folder, monkeypatch, size=1):
        self.script, self.joined, self.lost, self.size = folder / "worker.py", 0, 0, size
        self.crew = Crew(Paths(str(folder)), size, self._join, self._lose)
        monkeypatch.setattr(crew, "program_command", lambda: [sys.executable, "-I", str(self.script)])
        self.does()

    def does(self, start="", loop="pass"):
        self.script.write_text(WORKER.format(start=start, loop=loop))

    async def _join(self):
        self.joined += 1

    def _lose(self):
        self.lost += 1

    async def load(self):
        await self.crew.load(Document(), [], {})


@pytest.fixture
def team(tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "_ANSWER_S", 1.0)
    monkeypatch.setattr(crew, "_COUNTERS_S", 0.3)
    monkeypatch.setattr(crew, "_PING_S", 0.05)
    monkeypatch.setattr(crew, "_UNANSWERED_MAX", 6)
    return Team(tmp_path, monkeypatch)


def play(team, scenario):
    """Runs a scenario with the crew started, and sees that no worker outlives it."""

    async def run():
        await team.crew.start()
        try:
            await asyncio.wait_for(scenario(), 15)
        finally:
            await team.crew.stop(0.5)

    asyncio.run(run())
    deadline = time.monotonic() + 3
    while [pid for pid in children(os.getpid()) if alive(pid)]:
        assert time.monotonic() < deadline, "a worker is left"
        time.sleep(0.01)


async def until(condition):
    deadline = time.monotonic() + 6
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


LOADS = {
    "says nothing": ("if kind == 'load': continue", "did not answer within"),
    "says nonsense": ("if kind == 'load': channel.send(b'nonsense'); continue", "has ended"),
    "says what is unknown": ("if kind == 'load': say(type='what'); continue", "has ended"),
    "dies": ("if kind == 'load': os._exit(3)", "has ended"),
    "sends memory without content": (
        "if kind == 'load': socket.send_fds(channel, [json.dumps({'type': 'loaded', 'seq': message['seq']}).encode()], [0]); continue",
        "has ended",
    ),
}


@pytest.mark.parametrize("case", LOADS)
def test_a_worker_that_does_not_take_a_document_is_a_refusal_and_is_replaced(team, case, capfd):
    loop, words = LOADS[case]
    team.does(loop=loop)

    async def scenario():
        (first,) = team.crew.pids
        team.does()  # who takes its place is well
        with pytest.raises(WorkerRefused, match=words) as refused:
            await team.load()
        assert f"worker {first} " in str(refused.value)
        await until(lambda: team.joined and team.crew.serving)
        assert team.crew.pids != [first]
        assert not alive(first)
        await team.load()

    play(team, scenario)
    assert (team.lost, team.joined) == (1, 1)
    assert "Traceback" not in capfd.readouterr().err


def test_a_worker_that_hangs_is_found_by_its_silence_and_holds_up_nobody_who_asks(team, capfd):
    team.does(loop="if kind == 'stats': socket.send_fds(channel, [json.dumps({'type': 'stats', 'seq': message['seq']}).encode()], []); continue")

    async def scenario():
        await team.load()
        (first,) = team.crew.pids
        os.kill(first, signal.SIGSTOP)
        began = time.monotonic()
        assert await team.crew.stats() == {}
        assert time.monotonic() - began < 0.9
        await until(lambda: team.joined)
        assert not alive(first)

    play(team, scenario)
    assert "has not answered 6 times and is killed" in capfd.readouterr().err


def test_workers_that_die_at_their_start_are_tried_again_one_at_a_time_and_ever_slower(team, tmp_path, capfd):
    started = tmp_path / "started"

    async def scenario():
        assert team.crew.serving
        team.does(start=f"open({str(started)!r}, 'a').write('x'); sys.exit(5)")
        os.kill(team.crew.pids[0], signal.SIGKILL)
        await until(lambda: started.exists() and len(started.read_text()) >= 4)
        assert not team.crew.serving
        tries = len(started.read_text())
        await asyncio.sleep(0.4)
        assert len(started.read_text()) - tries <= 1
        team.does()
        await until(lambda: team.crew.serving)

    play(team, scenario)
    assert team.joined == 1
    errors = capfd.readouterr().err
    assert "no new worker: worker" in errors
    assert "Traceback" not in errors


def test_a_worker_that_never_gets_ready_is_an_error_at_the_start_and_is_ended(team):
    team.does(start="time.sleep(60)")

    async def scenario():
        with pytest.raises(OSError, match="was not ready within 1 s"):
            await team.crew.start()

    asyncio.run(scenario())
    assert [pid for pid in children(os.getpid()) if alive(pid)] == []


def test_a_worker_that_does_not_drain_is_killed_after_the_deadline(team):
    team.does(loop="if kind == 'drain': time.sleep(60)")
    began = time.monotonic()

    async def scenario():
        await team.load()

    play(team, scenario)
    assert 2 < time.monotonic() - began < 6


def test_the_real_worker_ends_when_it_cannot_follow(tmp_path, monkeypatch, capfd):
    team = Team(tmp_path, monkeypatch)
    monkeypatch.setattr(crew, "program_command", program_command)

    async def scenario():
        (first,) = team.crew.pids
        team.crew._send(team.crew._workers[0], {"type": "load", "workers": 1, "seq": 0})  # without its memory
        await until(lambda: team.joined)
        assert not alive(first)
        await team.load()

    play(team, scenario)
    assert "could not be followed" in capfd.readouterr().out
