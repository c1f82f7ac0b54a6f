"""A move that does not come to its end. The rest is shown with real workers in test_supervisor.py."""

from __future__ import annotations

import asyncio
import socket

from tandem.proxy.service import moves
from tests.support.timeless import timeless


class NoWorkers:
    """In place of workers, which are processes: ``clients`` are connected, and what is told is noted."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.clients: set[str] = set()  # the frontends that have one

    def quiesce(self, step: str, of: str = "") -> None:
        self.told.append(f"{step} {of}".strip())

    async def connections(self, within_s: float, of=None) -> tuple[int, bool]:
        return len(self.clients if of is None else self.clients & set(of)), True


def hops_asked_for(listener: socket.socket) -> int:
    return listener.getsockopt(socket.IPPROTO_IP, 21)  # IP_MINTTL


def test_a_move_that_does_not_end_is_taken_back_in_time(monkeypatch, capsys):
    monkeypatch.setattr(moves, "_WHOLE_S", 0.05)
    workers = NoWorkers()

    async def scenario(listener: socket.socket) -> None:
        move = moves.PlannedMove(workers, lambda: [listener], set)
        move.end()  # nothing was begun
        assert workers.told == []
        assert await move.begin(cut=True) == 0
        assert hops_asked_for(listener) == 255
        while hops_asked_for(listener):
            await asyncio.sleep(0.005)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(asyncio.wait_for(scenario(listener), 5))
    assert workers.told == ["last_answers", "idle", "cut", "off"]
    assert "clients are taken again" in capsys.readouterr().err


def of_load_balancer(load_balancer: str, awaited: bool) -> set[str]:
    return {f"{load_balancer}/web"} if awaited else {f"{load_balancer}/web", f"{load_balancer}/raw"}


@timeless
async def test_clients_that_are_kept_after_a_move_end_with_their_answers_and_the_last_ones_are_cut_off():
    workers = NoWorkers()
    workers.clients = {"edge/web", "edge/raw", "other/web"}
    kept = moves.KeptClients(workers, of_load_balancer)
    assert [await kept.left("edge"), await kept.left("edge")] == [2, 2]
    assert workers.told == ["last_answers"]
    workers.clients.discard("edge/web")
    assert await kept.finish("edge") == 1
    assert workers.told == ["last_answers", "idle edge", "cut edge", "off"]


@timeless
async def test_a_mover_that_no_longer_asks_leaves_clients_as_they_were():
    workers = NoWorkers()
    kept = moves.KeptClients(workers, of_load_balancer)
    await kept.left("edge")
    await kept.left("other")
    await asyncio.sleep(9)
    await kept.left("edge")
    await asyncio.sleep(2)
    assert workers.told == ["last_answers"], "one of them is asked for still"
    await asyncio.sleep(9)
    assert workers.told == ["last_answers", "off"]
    await kept.left("edge")
    kept.end()
    assert workers.told == ["last_answers", "off"] * 2
