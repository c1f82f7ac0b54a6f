"""What a node is told to track, and what of it is lost: interfaces, a gateway, and what scripts say. Who has lost any of it makes way for who has
not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional, Protocol

from .._model import HealthCheck, Track, TrackScript
from ..checks.health import Health, after_check
from ..supervised import supervise
from .addresses import Seen
from .clock import Clock
from .ping import echo_request
from .unprivileged import Commands

_GATEWAY = HealthCheck(interval_ms=1000, timeout_ms=900, rise=2, fall=3)


class RunsCommands(Protocol):
    async def run(self, command: str, timeout_s: float, told: dict[str, str]) -> tuple[bool, str]: ...


Ping = Callable[[str, float], Any]  # (address, within_s) -> awaitable of (whether it has answered, what is to be said of it)


@dataclass(frozen=True)
class Means:
    """What is needed of the world."""

    commands: RunsCommands = field(default_factory=Commands)
    ping: Ping = field(default_factory=lambda: echo_request)


@dataclass
class _Asked:
    """A gateway or a script, and what it has said so far."""

    what: str
    check: HealthCheck
    health: Health = field(default_factory=Health)
    task: Optional[asyncio.Task[None]] = None


class Tracker:
    """Of one load balancer; ``on_change(lost)`` is told what is lost, in words, whenever that is another thing than before. Until something is known
    of a gateway or a script, it is not lost."""

    def __init__(self, load_balancer: str, on_change: Callable[[str], None], clock: Clock, means: Means) -> None:
        self._load_balancer, self._on_change, self._clock, self._means = load_balancer, on_change, clock, means
        self._track = Track()
        self._asked: dict[str, _Asked] = {}
        self._interfaces: dict[str, str] = {}
        self._lost = ""

    def use(self, track: Track) -> None:
        """What is to be tracked from now on. Of what stays as it was, nothing is forgotten."""
        before, self._track = self._track, track
        wanted = {f"script {script.name}": script for script in track.scripts}
        former = {f"script {script.name}": script for script in before.scripts}
        gone = [what for what in self._asked if what not in wanted or wanted[what] != former.get(what)]
        self._forget([what for what in gone if what.startswith("script ") or track.gateway != before.gateway])
        for what, script in wanted.items():
            if what not in self._asked:
                check = HealthCheck(interval_ms=script.interval_ms, timeout_ms=script.timeout_ms, rise=script.rise, fall=script.fall)
                self._begin(_Asked(what, check), self._ask_script(script))
        if track.gateway and "gateway" not in self._asked:
            self._begin(_Asked("gateway", _GATEWAY), self._ask_gateway(track.gateway))
        self._interfaces = {name: said for name, said in self._interfaces.items() if name in track.interfaces}
        self._tell()

    def look(self, seen: Seen) -> None:
        if seen.failure:
            return
        by_name = {link.name: link for link in seen.links.values()}
        self._interfaces = {}
        for name in self._track.interfaces:
            link = by_name.get(name)
            if link is None or not link.carrier:
                self._interfaces[name] = "is not there" if link is None else "has no carrier"
        self._tell()

    def close(self) -> None:
        self._forget(list(self._asked))

    def view(self) -> list[dict[str, Any]]:
        """What status shows: of each, whether it is there (None before that is known), and what was said of it last."""
        lost = self._interfaces
        shown = [{"what": f"interface {name}", "up": name not in lost, "last": lost.get(name, "")} for name in self._track.interfaces]
        return [*shown, *({"what": one.what, "up": one.health.up, "last": one.health.last} for one in self._asked.values())]

    def _begin(self, asked: _Asked, ask: Callable[[float], Any]) -> None:
        self._asked[asked.what] = asked
        asked.task = supervise(self._go_on(asked, ask), f"tracking {asked.what}", lambda: self._broken(asked))

    def _broken(self, asked: _Asked) -> None:
        """A mistake of the program is no loss."""
        asked.health = Health(None, 0, self._clock(), "it is no longer tracked, by a mistake of the program: see the log")
        self._tell()

    def _forget(self, whats: list[str]) -> None:
        for what in whats:
            task = self._asked.pop(what).task
            if task is not None:
                task.cancel()

    async def _go_on(self, asked: _Asked, ask: Callable[[float], Any]) -> None:
        while True:
            began = self._clock()
            passed, said = await ask(asked.check.timeout_ms / 1000)
            asked.health = after_check(asked.health, asked.check, passed, said, self._clock())
            self._tell()
            await asyncio.sleep(max(0.0, began + asked.check.interval_ms / 1000 - self._clock()))

    def _ask_script(self, script: TrackScript) -> Callable[[float], Any]:
        told = {"TANDEM_LOAD_BALANCER": self._load_balancer, "TANDEM_SCRIPT": script.name}
        return lambda within_s: self._means.commands.run(script.command, within_s, told)

    def _ask_gateway(self, gateway: str) -> Callable[[float], Any]:
        return lambda within_s: self._means.ping(gateway, within_s)

    def _tell(self) -> None:
        lost = [f"interface {name} {said}" for name, said in sorted(self._interfaces.items())]
        lost += [f"{one.what}: {one.health.last}" for one in self._asked.values() if one.health.up is False]
        said = "; ".join(lost)
        if said != self._lost:
            self._lost = said
            self._on_change(said)
