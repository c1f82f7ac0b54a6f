"""The workers of a supervisor: starts them, tells them what holds, collects their counters, replaces those that die."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import traceback
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ... import json_slices
from ..._model import Document
from ..._paths import Paths
from ...events import note
from ...log import say
from ...pace import Pace, in_thread
from ...release import program_command
from ...supervised import supervise
from ...tls.tickets import KEYS_BYTES
from ..channel import DESCRIPTORS_MAX, Channel, ChannelBroken, Message, in_memory, share
from ..places import Rows
from ..worker.rates import shared_rates
from .counters import Tally, connections, sessions_at
from .instructions import Health, Instructions, Said, Words
from .places import Places

_ANSWER_S = 10.0
_COUNTERS_S = 2.0  # who asks for the counters gets those of the workers that answer
_RESPAWN_MIN_S, _RESPAWN_MAX_S, _LIFE_S = 0.05, 5.0, 10.0
_PING_S = 1.0
# Counted, not timed: after a suspension of the machine all are late, and none is to blame.
_UNANSWERED_MAX = 10


class WorkerRefused(Exception):
    """A worker did not take a document."""


@dataclass
class _Worker:
    process: asyncio.subprocess.Process
    channel: Channel
    ready: asyncio.Future[None]
    began: float
    index: int  # among all; who takes its place has it then
    sent: set[int] = field(default_factory=set)  # listeners it holds
    answers: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    parts: dict[int, list[bytes]] = field(default_factory=dict)  # of answers that are not complete
    unanswered: int = 0  # pings
    serving: bool = False  # it has what the others have
    acceleration: str = ""  # as the worker says
    column: int = 0  # where it counts the connections of clients


class Workers:
    """``size`` equal workers. ``on_joined`` is awaited after a dead one has been replaced; ``on_lost`` is called when one dies, and ``on_failure``
    when the program itself has failed. ``on_errors`` gets what a worker says of failed requests: (backend's key, server, how many).
    ``pause(seconds)`` is awaited before each try to replace one."""

    def __init__(
        self,
        paths: Paths,
        size: int,
        *,
        on_joined: Callable[[], Awaitable[None]],
        on_lost: Callable[[], None],
        on_failure: Callable[[], None],
        on_errors: Callable[[Sequence[tuple[str, str, int]]], None] = lambda _errors: None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._paths = paths
        self._size = size
        self._on_joined = on_joined
        self._on_lost = on_lost
        self._on_failure = on_failure
        self._on_errors = on_errors
        self._pause = pause
        self._workers: list[_Worker] = []
        self._places = Places(size)
        self._rates = shared_rates(size)
        self._ticket_keys = os.urandom(KEYS_BYTES).hex()  # the same for all workers: clients resume a session at any of them
        self._sequence = 0
        self._stopping = False
        self._tally = Tally()
        self._backoff_s = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def pids(self) -> list[int]:
        return [worker.process.pid for worker in self._workers]

    @property
    def acceleration(self) -> str:
        """What the workers run, as they say; all that is said where they differ, as after an accelerator came or went."""
        return "; ".join(sorted({worker.acceleration for worker in self._workers}))

    @property
    def serving(self) -> bool:
        """Whether at least one worker has all that is in force."""
        return any(worker.serving for worker in self._workers)

    async def start(self) -> None:
        """Raises OSError when a worker does not come up."""
        for index in range(self._size):
            worker = await self._spawn(index)
            worker.serving = True
        self._keep(self._ping(), "the watch over workers")

    async def stop(self, drain_s: float) -> None:
        """Lets the workers finish what is under way, for so many seconds at most."""
        self._stopping = True
        os.close(self._rates)
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
        self._places.close()

    async def load(self, what: Instructions) -> None:
        """Makes every worker follow them. Raises WorkerRefused; the others have then taken it.

        A worker that does not take it ends, and another one takes its place.
        """
        pace = Pace()
        content = what.in_memory(self._ticket_keys)
        workers, waiting = list(self._workers), []
        for worker in workers:
            for _want, listener_id, sock in what.held:
                if listener_id not in worker.sent:
                    self._send(worker, {"type": "listener", "id": listener_id}, [sock.fileno()])
                    await pace.rest()
            worker.sent = {listener_id for _want, listener_id, _sock in what.held}
            # Health goes with the document: clients may be waiting in a listener already, and are served as soon as it is there.
            about = {"type": "load", "workers": self._size, "index": worker.index}
            waiting.append(self._ask(worker, about, _ANSWER_S, [content, *self._places.descriptors]))
        os.close(content)
        await self._taken("the document", workers, waiting)

    def rows(self, document: Document) -> Rows:
        """Where the limits of a document are counted that all workers count together."""
        return self._places.rows(document)

    async def states(self, said: Said) -> None:
        """What operators and agents have said of servers, in force in every worker when this returns. Raises WorkerRefused as ``load`` does."""
        workers = list(self._workers)
        content = share(said)
        waiting = [self._ask(worker, {"type": "states"}, _ANSWER_S, [content]) for worker in workers]
        os.close(content)
        await self._taken("the states of servers", workers, waiting)

    async def _taken(self, what: str, workers: Sequence[_Worker], waiting: Sequence[Awaitable[Any]]) -> None:
        refused = []
        for worker, answer in zip(workers, await asyncio.gather(*waiting, return_exceptions=True)):
            if isinstance(answer, BaseException):
                ended = isinstance(answer, ConnectionError)
                refused.append(f"worker {worker.process.pid} {'has ended' if ended else f'did not answer within {_ANSWER_S:g} s'}")
                self._kill(worker)
        if refused:
            raise WorkerRefused(f"{'; '.join(refused)} when it was given {what}. The log of the proxy says more.")

    def health(self, health: Health) -> None:
        self._tell("health", health)

    def addresses(self, addresses: Words, health: Health) -> None:
        """Where the servers by name of these backends are from now on, and who of them is up there."""
        self._tell("addresses", {"addresses": addresses, "health": health})

    def _tell(self, kind: str, content: Any) -> None:
        shared = share(content)
        for worker in self._workers:
            self._send(worker, {"type": kind}, [shared])
        os.close(shared)

    def quiesce(self, step: str, of: str = "") -> None:
        """What ``Engine.quiesce`` does, in every worker."""
        for worker in self._workers:
            self._send(worker, {"type": "quiesce", "step": step, "of": of})

    async def counters(self) -> dict[str, Any]:
        """The counters of all workers, also of those that have ended or do not answer, as they last said; summed."""
        told = await self._told(_COUNTERS_S)
        return await in_thread(self._tally.total, {worker: parts for worker, parts in told.items() if parts is not None})

    async def connections(self, within_s: float, of: Optional[Collection[str]] = None) -> tuple[int, bool]:
        """How many clients of these frontends, or of all, are connected to the workers that answer in time, and whether all have answered."""
        parts, complete = await self._parts(within_s)
        return await in_thread(connections, parts, of), complete

    async def sessions(self, backend: str, server: str) -> tuple[int, bool]:
        """How many requests and sessions are under way at a server, by the workers that answer, and whether all have answered."""
        parts, complete = await self._parts(_COUNTERS_S)
        return await in_thread(sessions_at, parts, backend, server), complete

    async def _parts(self, within_s: float) -> tuple[list[Any], bool]:
        """What the workers that answer in time have counted, in parts; and whether all have."""
        told = await self._told(within_s)
        return [part for parts in told.values() for part in parts or []], None not in told.values()

    async def _told(self, within_s: float) -> dict[int, Optional[list[Any]]]:
        """The same by worker; None for one that does not answer in time."""
        workers = list(self._workers)
        answers = await asyncio.gather(*(self._ask(worker, {"type": "stats"}, within_s) for worker in workers), return_exceptions=True)
        told: dict[int, Optional[list[Any]]] = {}
        for worker, answer in zip(workers, answers):
            told[worker.process.pid] = await self._read(worker, answer) if isinstance(answer, list) else None
            if isinstance(answer, list) and told[worker.process.pid] is not None and worker in self._workers:
                self._tally.take(worker.process.pid, answer)
        return told

    async def _read(self, worker: _Worker, parts: list[bytes]) -> Optional[list[Any]]:
        """The parts of a worker's answer. None where they are no JSON: who cannot be understood is replaced."""
        try:
            return await in_thread(lambda: [json_slices.loads(part) for part in parts])
        except (ValueError, RecursionError):
            self._give_up(worker)
            return None

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

        def forget(_future: asyncio.Future[Any]) -> None:
            worker.answers.pop(sequence, None)
            worker.parts.pop(sequence, None)

        future.add_done_callback(forget)
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

    async def _spawn(self, index: int) -> _Worker:
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
        worker = _Worker(process, channel, loop.create_future(), time.monotonic(), index)
        ends = self._places.ends(index)
        for at in range(0, len(ends), DESCRIPTORS_MAX):
            self._send(worker, {"type": "pipes"}, ends[at : at + DESCRIPTORS_MAX])
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
        try:
            content = None
            if descriptors:
                # At a position of its own: whoever wrote it has left the offset, which is shared, at its end.
                content = os.pread(descriptors[0], os.fstat(descriptors[0]).st_size, 0)
            if not self._follow(worker, message, content):
                self._give_up(worker)
        except OSError:  # what it sent cannot be read
            self._give_up(worker)
        except Exception:  # noqa: BLE001
            say("error", f"worker {worker.process.pid}: {traceback.format_exc()}")
            self._give_up(worker)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _follow(self, worker: _Worker, message: Message, content: Optional[bytes]) -> bool:
        """Does what a worker asks, or takes what it answers. False where it says what nobody can follow."""
        kind, sequence = message["type"], message.get("seq")
        if kind == "ready" and not worker.ready.done():
            worker.column = min(set(range(self._size)) - {other.column for other in self._workers})
            self._send(worker, {"type": "rates", "column": worker.column, "columns": self._size}, [self._rates])
            self._workers.append(worker)
            worker.acceleration = str(message.get("acceleration", ""))
            worker.ready.set_result(None)
        elif kind == "pong":
            worker.unanswered = 0
        elif kind == "errors":
            self._on_errors([(str(key), str(name), int(count)) for key, name, count in message["errors"]])
        elif kind == "bind":
            for other in self._workers:
                if other is not worker:
                    self._send(other, message)
        elif not isinstance(sequence, int) or kind not in ("loaded", "stats", "bindings") or (kind == "loaded") != (content is None):
            return False
        elif sequence in worker.answers:  # else it comes too late
            parts = worker.parts.setdefault(sequence, [])
            if content is not None:
                parts.append(content)
            future = worker.answers[sequence]
            if not message.get("more") and not future.done():
                future.set_result(parts)
        return True

    def _give_up(self, worker: _Worker) -> None:
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
            self._tally.end(worker.process.pid)
            self._on_lost()
            self._keep(self._replace(worker), f"the replacement of worker {worker.process.pid}")

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = supervise(work, name, self._on_failure)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self, worker: _Worker) -> None:
        self._kill(worker)
        status = await worker.process.wait()
        self._places.forget(worker.index)
        say("error", f"worker {worker.process.pid} ended unasked (status {status}); another one takes its place")
        note("worker", "", f"worker {worker.process.pid} ended unasked (status {status})")
        if time.monotonic() - worker.began > _LIFE_S:
            self._backoff_s = 0.0
        while True:
            await self._pause(self._backoff_s)
            self._backoff_s = min(max(self._backoff_s * 2, _RESPAWN_MIN_S), _RESPAWN_MAX_S)
            try:
                new = await self._spawn(worker.index)
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
                answer = await self._ask(worker, {"type": "tell bindings"}, _COUNTERS_S)
            except (ConnectionError, asyncio.TimeoutError):
                continue
            if await self._read(worker, answer) is not None:
                bindings = in_memory(answer)
                self._send(new, {"type": "bindings"}, [bindings])
                os.close(bindings)
                return
