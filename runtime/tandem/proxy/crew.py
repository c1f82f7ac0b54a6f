"""The workers of a supervisor: starts them, tells them what holds, collects their counters, replaces those that die."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._model import Document
from .._paths import Paths
from ..log import say
from ..release import program_command
from .channel import Channel, ChannelBroken, Message, share, shared
from .listeners import Wanted

_ANSWER_S = 10.0
_RESPAWN_S = 0.5

Held = Sequence[tuple[Wanted, int, socket.socket]]
Health = Mapping[str, Mapping[str, bool]]


class WorkerRefused(Exception):
    """A worker did not take a document."""


@dataclass
class _Worker:
    process: asyncio.subprocess.Process
    channel: Channel
    sent: set[int] = field(default_factory=set)  # listeners it holds
    answers: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Crew:
    """``size`` equal workers. ``on_joined`` is awaited after a dead one has been replaced; ``on_lost`` is called when one dies."""

    def __init__(self, paths: Paths, size: int, on_joined: Callable[[], Awaitable[None]], on_lost: Callable[[], None]) -> None:
        self._paths = paths
        self._size = size
        self._on_joined = on_joined
        self._on_lost = on_lost
        self._workers: list[_Worker] = []
        self._sequence = 0
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pids(self) -> list[int]:
        return [worker.process.pid for worker in self._workers]

    async def start(self) -> None:
        for _worker in range(self._size):
            await self._spawn()

    async def stop(self, drain_s: float) -> None:
        """Lets the workers finish what is under way, for so many seconds at most."""
        self._stopping = True
        for worker in self._workers:
            self._send(worker, {"type": "drain", "deadline_ms": int(drain_s * 1000)})
        try:
            await asyncio.wait_for(asyncio.gather(*(worker.process.wait() for worker in self._workers)), drain_s + 2)
        except asyncio.TimeoutError:
            for worker in self._workers:
                if worker.process.returncode is None:
                    worker.process.kill()

    async def load(self, document: Document, held: Held, health: Health) -> None:
        """Makes every worker use the document and these listeners. Raises WorkerRefused; some may then have taken it."""
        content, states = share(document.to_stored()), share(health)
        marks = {mark for _want, mark, _sock in held}
        listeners = [[want.frontend, want.address, want.port, mark] for want, mark, _sock in held]
        waiting = []
        for worker in self._workers:
            for _want, mark, sock in held:
                if mark not in worker.sent:
                    self._send(worker, {"type": "listener", "id": mark}, [sock.fileno()])
            worker.sent = set(marks)
            # Health goes with the document: clients may be waiting in a listener already, and are served as soon as it is there.
            waiting.append(self._ask(worker, {"type": "load", "listeners": listeners, "workers": self._size}, [content, states]))
        os.close(content)
        os.close(states)
        for answer in await asyncio.gather(*waiting, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise WorkerRefused(f"a worker did not take the document: {answer!r}")

    def health(self, health: Health) -> None:
        states = share(health)
        for worker in self._workers:
            self._send(worker, {"type": "health"}, [states])
        os.close(states)

    async def stats(self) -> dict[str, Any]:
        """The counters of all workers, summed."""
        answers = await asyncio.gather(*(self._ask(worker, {"type": "stats"}) for worker in self._workers), return_exceptions=True)
        total: dict[str, Any] = {}
        for answer in answers:
            if isinstance(answer, dict):
                _add(total, answer)
        return total

    def _send(self, worker: _Worker, message: Message, descriptors: Sequence[int] = ()) -> None:
        try:
            worker.channel.send(message, descriptors)
        except ChannelBroken as error:
            say("error", f"worker {worker.process.pid}: {error}; it is replaced")
            worker.process.kill()

    def _ask(self, worker: _Worker, message: Message, descriptors: Sequence[int] = ()) -> Awaitable[Any]:
        """Sends at once; the result waits for the answer with the same number."""
        self._sequence += 1
        sequence = self._sequence
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        worker.answers[sequence] = future
        future.add_done_callback(lambda _future: worker.answers.pop(sequence, None))
        self._send(worker, {**message, "seq": sequence}, descriptors)
        return asyncio.wait_for(future, _ANSWER_S)

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [*program_command(), "--prefix", self._paths.prefix, "proxy-worker", str(theirs.fileno())]
        process = await asyncio.create_subprocess_exec(*command, pass_fds=[theirs.fileno()], stdin=asyncio.subprocess.DEVNULL)
        theirs.close()
        loop = asyncio.get_running_loop()
        worker: _Worker
        channel = Channel(loop, ours, lambda message, descriptors: self._message(worker, message, descriptors), lambda: self._gone(worker))
        worker = _Worker(process, channel)
        self._workers.append(worker)
        await asyncio.wait_for(worker.ready.wait(), _ANSWER_S)

    def _message(self, worker: _Worker, message: Message, descriptors: list[int]) -> None:
        kind = message["type"]
        if kind == "ready":
            worker.ready.set()
        elif kind == "bind":
            for other in self._workers:
                if other is not worker:
                    self._send(other, message)
        else:
            content = shared(descriptors[0]) if descriptors else None
            future = worker.answers.get(message["seq"])
            if future is not None and not future.done():
                future.set_result(content)

    def _gone(self, worker: _Worker) -> None:
        for future in list(worker.answers.values()):
            if not future.done():
                future.set_exception(ConnectionError(f"worker {worker.process.pid} has ended"))
        if worker in self._workers and not self._stopping:
            self._workers.remove(worker)
            self._on_lost()
            task = asyncio.get_running_loop().create_task(self._replace(worker))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _replace(self, worker: _Worker) -> None:
        if worker.process.returncode is None:
            worker.process.kill()
        status = await worker.process.wait()
        say("error", f"worker {worker.process.pid} ended unasked (status {status}); another one takes its place")
        while not self._stopping:
            try:
                await self._spawn()
                await self._on_joined()
                return
            except (OSError, asyncio.TimeoutError, WorkerRefused) as error:
                say("error", f"no new worker: {error!r}; trying again")
                await asyncio.sleep(_RESPAWN_S)


def _add(total: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            _add(total.setdefault(key, {}), value)
        elif key == "queue_max_seen":
            total[key] = max(total.get(key, 0), value)
        else:
            total[key] = total.get(key, 0) + value
