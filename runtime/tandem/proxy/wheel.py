"""A coarse timer wheel: many deadlines that move often and fire seldom. Pure: the time is an argument.

Moving a deadline later costs two assignments, which is what the data path does all the time; the entry is looked at when its old slot comes by, and
put back. (After Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Optional

TICK_S = 0.025
NEVER = float("inf")


class Timed:
    """What can be put on a wheel. ``expired(now)`` is called once its deadline has passed."""

    __slots__ = ("deadline", "slot")

    def __init__(self) -> None:
        self.deadline = NEVER
        self.slot = 0

    def expired(self, now: float) -> None:
        raise NotImplementedError

    def failed(self, error: Exception) -> None:
        """Something that was called of it raised: a mistake in the program, which is to end this entry's work and no other's."""


class Wheel:
    """Deadlines in seconds of one clock; they fire at most two ticks late, and never early.

    ``on_error(entry, error)`` gets what an entry's ``expired`` raises, so that no other loses its deadline; without it, it is raised at the end.
    """

    def __init__(self, now: float, on_error: Optional[Callable[[Timed, Exception], None]] = None) -> None:
        self._on_error = on_error
        self._slots: dict[int, dict[Timed, None]] = {}  # dicts as ordered sets
        self._next = int(now / TICK_S)

    def set(self, entry: Timed, deadline: float) -> None:
        if entry.slot and deadline >= entry.deadline:
            entry.deadline = deadline  # the slot that it is in comes by no later, and then it is put off
            return
        entry.deadline = deadline
        if deadline == NEVER:
            return
        slot = int(deadline / TICK_S) + 1
        if not entry.slot or slot < entry.slot:
            self._put(entry, slot)

    def clear(self, entry: Timed) -> None:
        """No deadline any more. The entry leaves at once: a wheel must not keep alive what ended an hour before its deadline."""
        entry.deadline = NEVER
        self._take_out(entry)

    def advance(self, now: float) -> None:
        """Expires what is due. Called about every tick."""
        last = int(now / TICK_S)
        if last - self._next > len(self._slots):
            due: Iterable[int] = sorted(slot for slot in self._slots if slot <= last)
        else:
            due = range(self._next, last + 1)
        self._next = last + 1
        failure: Optional[Exception] = None
        for slot in due:
            for entry in self._slots.pop(slot, ()):
                if entry.slot == slot:  # else it was cleared or moved by one that fired before it
                    try:
                        self._fire(entry, now)
                    except Exception as error:  # noqa: BLE001 - the others are due all the same
                        if self._on_error is None:
                            failure = error
                        else:
                            self._on_error(entry, error)
        if failure is not None:
            raise failure

    def until_due(self, now: float, most_s: float) -> float:
        """Seconds until ``advance`` has something to look at; ``most_s`` at most."""
        if not self._slots:
            return most_s
        return min(max(min(self._slots) * TICK_S - now, 0.0), most_s)

    def _fire(self, entry: Timed, now: float) -> None:
        entry.slot = 0
        if entry.deadline <= now:
            entry.deadline = NEVER
            entry.expired(now)
        elif entry.deadline != NEVER:
            self._put(entry, int(entry.deadline / TICK_S) + 1)

    def _put(self, entry: Timed, slot: int) -> None:
        self._take_out(entry)
        slot = max(slot, self._next)
        entry.slot = slot
        self._slots.setdefault(slot, {})[entry] = None

    def _take_out(self, entry: Timed) -> None:
        if entry.slot:
            entries = self._slots.get(entry.slot)
            if entries is not None:
                entries.pop(entry, None)
                if not entries:
                    del self._slots[entry.slot]
            entry.slot = 0
