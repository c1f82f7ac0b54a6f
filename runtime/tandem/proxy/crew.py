"""The workers of a supervisor: starts them, tells them what holds, collects their counters, replaces those that die."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._model import Document
from .._paths import Paths
from ..log import say
from ..release import program_command
from .channel import Channel, ChannelBroken, Message, share, shared
from .listeners import Wanted

_ANSWER_S = 10.0
_COUNTERS_S = 2.0  # who asks for the counters gets those of the workers that answer
_RESPAWN_MIN_S, _RESPAWN_MAX_S, _LIFE_S = 0.05, 5.0, 10.0
_PING_S = 1.0
# Counted, not timed: after a suspension of the machine all are late, and none is to blame.
_UNANSWERED_MAX = 10

Held = Sequence[tuple[Wanted, int, socket.socket]]
Health = Mapping[str, Mapping[str, bool]]


class WorkerRefused(Exception):
    """A worker did not take a document."""


@dataclass
class _Worker:
    process: asyncio.subprocess.Process
    channel: Channel
    ready: asyncio.Future[None]
    began: float
    sent: set[int] = field(default_factory=set)  # listeners it holds
    answers: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    unanswered: int = 0  # pings
    serving: bool = False  # it has what the others have


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
        self._backoff_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pids(self) -> list[int]:
        return [worker.process.pid for worker in self._workers]

    @property
    def serving(self) -> bool:
        """Whether at least one worker has all that is in force."""
        return any(worker.serving for worker in self._workers)

    async def start(self) -> None:
        """Raises OSError when a worker does not come up."""
        for _worker in range(self._size):
            worker = await self._spawn()
            worker.serving = True
        self._keep(self._ping())

    async def stop(self, drain_s: float) -> None:
        """Lets the workers finish what is under way, for so many seconds at most."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        workers = list(self._workers)
        for worker in workers:
            self._send(worker, {"type": "drain", "deadline_ms": int(drain_s * 1000)})
        try:
            await asyncio.wait_for(asyncio.gather(*(worker.process.wait() for worker in workers)), drain_s + 2)
        except asyncio.TimeoutError:
            for worker in workers:
                if worker.process.returncode is None:
                    say("warning", f"worker {worker.process.pid} did not stop in time and is killed")
                    worker.process.kill()

    async def load(self, document: Document, held: Held, health: Health) -> None:
        """Makes every worker use the document and these listeners. Raises WorkerRefused; the others have then taken it.

        A worker that does not take it ends, and another one takes its place.
        """
        marks = {mark for _want, mark, _sock in held}
        listeners = [[want.frontend, want.address, want.port, mark] for want, mark, _sock in held]
        content = share({"document": document.to_stored(), "listeners": listeners, "health": health})
        workers, waiting = list(self._workers), []
        for worker in workers:
            for _want, mark, sock in held:
                if mark not in worker.sent:
                    self._send(worker, {"type": "listener", "id": mark}, [sock.fileno()])
            worker.sent = set(marks)
            # Health goes with the document: clients may be waiting in a listener already, and are served as soon as it is there.
            waiting.append(self._ask(worker, {"type": "load", "workers": self._size}, _ANSWER_S, [content]))
        os.close(content)
        refused = []
        for worker, answer in zip(workers, await asyncio.gather(*waiting, return_exceptions=True)):
            if isinstance(answer, BaseException):
                ended = isinstance(answer, ConnectionError)
                refused.append(f"worker {worker.process.pid} {'has ended' if ended else f'did not answer within {_ANSWER_S:g} s'}")
                self._kill(worker)
        if refused:
            raise WorkerRefused(f"{'; '.join(refused)} when it was given the document. The log of the proxy says more.")

    def health(self, health: Health) -> None:
        states = share(health)
        for worker in self._workers:
            self._send(worker, {"type": "health"}, [states])
        os.close(states)

    def quiesce(self, step: str) -> None:
        """What ``Engine.quiesce`` does, in every worker."""
        for worker in self._workers:
            self._send(worker, {"type": "quiesce", "step": step})

    async def stats(self) -> dict[str, Any]:
        """The counters of all workers that answer, summed."""
        asked = [self._ask(worker, {"type": "stats"}, _COUNTERS_S) for worker in self._workers]
        answers = await asyncio.gather(*asked, return_exceptions=True)
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
            self._kill(worker)

    def _kill(self, worker: _Worker) -> None:
        if worker.process.returncode is None:
            worker.process.kill()  # the end of its channel follows, and with it the replacement

    def _ask(self, worker: _Worker, message: Message, within_s: float, descriptors: Sequence[int] = ()) -> Awaitable[Any]:
        """Sends at once; the result waits for the answer with the same number."""
        self._sequence += 1
        sequence = self._sequence
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        worker.answers[sequence] = future
        future.add_done_callback(lambda _future: worker.answers.pop(sequence, None))
        self._send(worker, {**message, "seq": sequence}, descriptors)
        return asyncio.wait_for(future, within_s)

    async def _ping(self) -> None:
        """Ends workers that no longer answer, so that they are replaced."""
        while True:
            await asyncio.sleep(_PING_S)
            for worker in list(self._workers):
                if worker.unanswered >= _UNANSWERED_MAX:
                    say("error", f"worker {worker.process.pid} has not answered {worker.unanswered} times and is killed")
                    self._kill(worker)
                worker.unanswered += 1
                self._send(worker, {"type": "ping"})

    async def _spawn(self) -> _Worker:
        """A new worker that has said that it is ready. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [*program_command(), "--prefix", self._paths.prefix, "proxy-worker", str(theirs.fileno())]
        try:
            process = await asyncio.create_subprocess_exec(*command, pass_fds=[theirs.fileno()], stdin=asyncio.subprocess.DEVNULL)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        loop = asyncio.get_running_loop()
        worker: _Worker
        channel = Channel(loop, ours, lambda message, descriptors: self._message(worker, message, descriptors), lambda: self._gone(worker))
        worker = _Worker(process, channel, loop.create_future(), time.monotonic())
        try:
            await asyncio.wait_for(worker.ready, _ANSWER_S)
        except asyncio.TimeoutError:
            raise OSError(f"worker {process.pid} was not ready within {_ANSWER_S:g} s") from None
        finally:
            if worker not in self._workers:
                channel.close()
                self._kill(worker)
                await process.wait()
        return worker

    def _message(self, worker: _Worker, message: Message, descriptors: list[int]) -> None:
        kind, sequence = message["type"], message.get("seq")
        try:
            content = shared(descriptors.pop(0)) if descriptors else None
        except (OSError, ValueError):
            kind = ""
        for descriptor in descriptors:
            os.close(descriptor)
        if kind == "ready" and not worker.ready.done():
            self._workers.append(worker)
            worker.ready.set_result(None)
        elif kind == "pong":
            worker.unanswered = 0
        elif kind == "bind":
            for other in self._workers:
                if other is not worker:
                    self._send(other, message)
        elif kind in ("loaded", "stats", "bindings") and isinstance(sequence, int):
            future = worker.answers.get(sequence)
            if future is not None and not future.done():
                future.set_result(content)
        else:
            say("error", f"worker {worker.process.pid} says what nobody can follow; it is replaced")
            self._kill(worker)

    def _gone(self, worker: _Worker) -> None:
        ended = ConnectionError(f"worker {worker.process.pid} has ended")
        if not worker.ready.done():
            worker.ready.set_exception(ended)  # who started it waits for it, and tries again
            return
        for future in list(worker.answers.values()):
            if not future.done():
                future.set_exception(ended)
        if worker in self._workers and not self._stopping:
            self._workers.remove(worker)
            self._on_lost()
            self._keep(self._replace(worker))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self, worker: _Worker) -> None:
        self._kill(worker)
        status = await worker.process.wait()
        say("error", f"worker {worker.process.pid} ended unasked (status {status}); another one takes its place")
        if time.monotonic() - worker.began > _LIFE_S:
            self._backoff_s = 0.0
        while True:
            await asyncio.sleep(self._backoff_s)
            self._backoff_s = min(max(self._backoff_s * 2, _RESPAWN_MIN_S), _RESPAWN_MAX_S)
            try:
                new = await self._spawn()
            except OSError as error:
                say("error", f"no new worker: {error}; trying again")
                continue
            await self._teach(new)
            await self._on_joined()
            new.serving = True
            return

    async def _teach(self, new: _Worker) -> None:
        """What the others know of clients bound by their address. It comes before the document, as clients may follow that at once."""
        for worker in [worker for worker in self._workers if worker is not new and worker.serving]:
            try:
                bindings = share(await self._ask(worker, {"type": "tell bindings"}, _COUNTERS_S))
            except (ConnectionError, asyncio.TimeoutError):
                continue
            self._send(new, {"type": "bindings"}, [bindings])
            os.close(bindings)
            return


def _add(total: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            _add(total.setdefault(key, {}), value)
        elif key == "queue_max_seen":
            total[key] = max(total.get(key, 0), value)
        else:
            total[key] = total.get(key, 0) + value
