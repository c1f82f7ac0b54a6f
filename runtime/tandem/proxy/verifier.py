"""Work that takes long and leaves Python's lock to others, such as to verify a password: one after the other, in a thread of its own."""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable
from typing import Optional

from .reactor import Reactor

WAITING_MAX = 64
WAITING_OF_CLIENT_MAX = 8  # so that who guesses from one address does not keep all others waiting

Told = Callable[[Optional[bool]], None]
Job = tuple[str, Callable[[], bool], Told]


class Verifier:
    """One for each worker; the thread is there once it is needed. Called in the reactor's thread, as are those who are told."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._jobs: queue.SimpleQueue[Optional[Job]] = queue.SimpleQueue()
        self._runner: Optional[threading.Thread] = None  # "_thread" would be a word of C where this is compiled
        self._of_client: dict[str, int] = {}
        self.waiting = 0

    def submit(self, client: str, work: Callable[[], bool], told: Told) -> bool:
        """``told`` is called in a later turn with what ``work`` returns, or None where it could not be done. False where as many wait as may, of all
        or of the client at this address."""
        of_client = self._of_client.get(client, 0)
        if self.waiting >= WAITING_MAX or of_client >= WAITING_OF_CLIENT_MAX:
            return False
        self._of_client[client] = of_client + 1
        if self._runner is None:
            self._runner = threading.Thread(target=self._run, name="verifier", daemon=True)
            self._runner.start()
        self.waiting += 1
        self._jobs.put((client, work, told))
        return True

    def close(self) -> None:
        """What waits is not done any more."""
        if self._runner is not None:
            self._jobs.put(None)
            self._runner = None

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            client, work, told = job
            result: Optional[bool] = None
            failure: Optional[Exception] = None
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - too little memory, or an error of ours: it must not end the thread
                failure = error
            self._reactor.wake(functools.partial(self._tell, client, told, result, failure))

    def _tell(self, client: str, told: Told, result: Optional[bool], failure: Optional[Exception]) -> None:
        self.waiting -= 1
        left = self._of_client.pop(client) - 1
        if left:
            self._of_client[client] = left
        told(result)
        if failure is not None:
            raise failure  # to the reactor, which logs what breaks and goes on
