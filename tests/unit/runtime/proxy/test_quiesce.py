"""A move that does not come to its end. The rest is shown with real workers in test_supervisor.py."""

from __future__ import annotations

import asyncio
import socket

from tandem.proxy import quiesce


class NoWorkers:
    """In place of workers, which are processes: nobody is connected, and what is told is noted."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def quiesce(self, step: str) -> None:
        self.told.append(step)

    async def stats(self) -> dict[str, object]:
        return {}


def hops_asked_for(listener: socket.socket) -> int:
    return listener.getsockopt(socket.IPPROTO_IP, 21)  # IP_MINTTL


def test_a_move_that_does_not_end_is_taken_back_in_time(monkeypatch, capsys):
    monkeypatch.setattr(quiesce, "_WHOLE_S", 0.05)
    workers = NoWorkers()

    async def scenario(listener: socket.socket) -> None:
        quiescence = quiesce.Quiescence(workers, lambda: [listener])
        quiescence.end()  # nothing was begun
        assert workers.told == []
        assert await quiescence.begin() == 0
        assert hops_asked_for(listener) == 255
        while hops_asked_for(listener):
            await asyncio.sleep(0.005)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(asyncio.wait_for(scenario(listener), 5))
    assert workers.told == ["last_answers", "idle", "off"]
    assert "clients are taken again" in capsys.readouterr().err
