"""How much each client may: a table of clients in memory that all workers of a node share, so that a limit holds however a client's connections are
spread over them. Pure: the time is an argument, the memory is handed in.

A rate is one number for each client, the time at which it will have used nothing (the generic cell rate algorithm, ITU-T I.371 A.1: a token bucket
without a clock that fills it). The table never grows. A client finds its place among the eight that a secret hash of its address gives; where all
are taken, whoever has used least of its rate makes room, and the one that comes takes over what was used of it. So nobody gets more than the limit
by coming from many addresses, and who is over the limit is the last to be forgotten.

Workers write without a lock. A rate loses a request now and then where two of them count one client in the same microsecond. Connections are counted
by each worker in a column of its own, and the columns are added up, so that none is ever lost, nor left behind by a worker that dies.
"""

from __future__ import annotations

import hashlib
import ipaddress

CLIENTS_MAX = 262_144
_WAYS = 8
SEED_BYTES = 16
_CONNECTIONS_MAX = 65_535
_ROUNDING_S = 1e-9


def bytes_for(columns: int, clients: int = CLIENTS_MAX) -> int:
    """The size of the memory that ``columns`` workers share. It begins as zeroes, but for ``SEED_BYTES`` of a secret."""
    return SEED_BYTES + clients * (8 + 8 + 2 * columns)


def network_of(address: str) -> bytes:
    """Who one client is: an IPv4 address, or the 64 bits of an IPv6 one that a site is given at least (RFC 6177); a client there chooses the rest."""
    packed = ipaddress.ip_address(address.partition("%")[0]).packed
    return packed if len(packed) == 4 else packed[:8]


class RateTable:
    """One worker's view of the table. ``column``: its number, from 0; what a former worker of that number counted is forgotten."""

    def __init__(self, memory: memoryview, column: int, columns: int, clients: int = CLIENTS_MAX) -> None:
        self._sets = clients // _WAYS
        self._seed = bytes(memory[:SEED_BYTES])
        end = SEED_BYTES + 8 * clients
        self._tags = memory[SEED_BYTES:end].cast("Q")
        self._until = memory[end : end + 8 * clients].cast("d")  # when each will have used nothing
        self._columns: list[memoryview] = []
        for number in range(columns):
            start = end + 8 * clients + 2 * clients * number
            stop = start + 2 * clients
            if number == column:
                memory[start:stop] = bytes(2 * clients)
            self._columns.append(memory[start:stop].cast("H"))
        self._own = self._columns[column]

    def counted(self, scope: str, network: bytes) -> Counted:
        """The account of a client, or of whatever else, within a scope. It may be kept for as long as the client is here."""
        name = scope.encode() + b"\0" + network
        digest = hashlib.blake2b(name, key=self._seed, digest_size=8).digest()
        return Counted(self, int.from_bytes(digest, "big") or 1)

    def place(self, tag: int) -> int:
        """Where a client is in the table; room is made where it is not."""
        first = tag % self._sets * _WAYS
        tags, until = self._tags, self._until
        least, room, held = 0.0, -1, True
        for slot in range(first, first + _WAYS):
            if tags[slot] == tag:
                return slot
            connected = self.connections(slot) > 0
            if room < 0 or (held and not connected) or (held == connected and until[slot] < least):
                least, room, held = until[slot], slot, connected
        tags[room] = tag
        return room

    def connections(self, slot: int) -> int:
        total = 0
        for column in self._columns:
            total += column[slot]
        return total

    def take(self, slot: int, interval_s: float, burst_s: float, now: float) -> float:
        """Seconds until one more is allowed; 0.0: it is now, and counts."""
        until = self._until
        used: float = until[slot]
        if used < now:
            used = now
        elif used > now + burst_s:
            used = until[slot] = now + burst_s  # by a limit that was another
        wait_s = used + interval_s - now - burst_s
        if wait_s > _ROUNDING_S:
            return wait_s
        until[slot] = used + interval_s
        return 0.0

    def left_to(self, slot: int, interval_s: float, burst_s: float, now: float) -> float:
        """The same without taking it."""
        used: float = self._until[slot]
        return max(0.0, min(used, now + burst_s) + interval_s - now - burst_s - _ROUNDING_S)

    def is_at(self, slot: int, tag: int) -> bool:
        there: int = self._tags[slot]
        return there == tag

    def add(self, slot: int, most: int) -> bool:
        """One more connection, if there are fewer than ``most``. It is added first: of two that come at once none may be too many."""
        own = self._own
        here: int = own[slot]
        if here >= _CONNECTIONS_MAX:
            return False
        own[slot] = here + 1
        if self.connections(slot) > most:
            own[slot] = here
            return False
        return True

    def remove(self, slot: int) -> None:
        here: int = self._own[slot]
        if here:
            self._own[slot] = here - 1


class Counted:
    """One client's account."""

    __slots__ = ("_held", "_slot", "_table", "_tag")

    def __init__(self, table: RateTable, tag: int) -> None:
        self._table = table
        self._tag = tag
        self._slot = -1
        self._held = -1  # where a connection was counted, wherever the client is now

    def _place(self) -> int:
        slot = self._slot
        if slot < 0 or not self._table.is_at(slot, self._tag):
            slot = self._slot = self._table.place(self._tag)
        return slot

    def take(self, interval_s: float, burst_s: float, now: float) -> float:
        """One more of what a rate allows: a moment of ``interval_s``, and at once as many as make up ``burst_s``. Returns the seconds until it is
        allowed; with 0.0 it is, and counts.
        """
        return self._table.take(self._place(), interval_s, burst_s, now)

    def wait_s(self, interval_s: float, burst_s: float, now: float) -> float:
        """The same, but it does not count."""
        return self._table.left_to(self._place(), interval_s, burst_s, now)

    def enter(self, most: int) -> bool:
        """One more connection, unless there are ``most``; ``leave`` is owed for it."""
        slot = self._place()
        if not self._table.add(slot, most):
            return False
        self._held = slot
        return True

    def leave(self) -> None:
        """The connection has ended; of one that was not counted nothing is to be said."""
        if self._held >= 0:
            self._table.remove(self._held)
            self._held = -1
