"""Limits that all workers count together: which there are, the memory in which they are counted, and the pipes by which workers wake each other.

A small limit cut into shares would be none: with one for each worker at least, a server that takes one connection would get four. So what is small is
counted across workers (``worker/places``). Larger limits are cut into shares, which costs a request nothing.
"""

from __future__ import annotations

import os

from ..._model import Document
from ..places import RECORD_BYTES, Rows, wake

_COUNTED_MAX = 100  # up to this limit it is counted; above, a worker's share is large enough not to matter
_GROWTH_ROWS = 64


class Places:
    """For so many workers, each known by its index, which a worker that takes another's place inherits."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._row_bytes = workers * RECORD_BYTES
        self._rows: dict[tuple[str, str], int] = {}
        self._left: list[int] = []  # rows whose limit is gone; some may be busy there still
        self._used = self._capacity = 0
        self.memory = os.memfd_create("tandem-places", os.MFD_CLOEXEC)
        self._pipes = [os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) for _worker in range(workers)] if workers > 1 else []

    def close(self) -> None:
        for descriptor in (self.memory, *(end for pipe in self._pipes for end in pipe)):
            os.close(descriptor)

    @property
    def descriptors(self) -> list[int]:
        """What workers get with each document: the memory, which may have grown."""
        return [self.memory] if self._pipes else []

    def ends(self, index: int) -> list[int]:
        """What a worker gets of each worker's pipe, by their indexes: the end to read of its own, and of the others the end to write."""
        return [pipe[0 if number == index else 1] for number, pipe in enumerate(self._pipes)]

    def rows(self, document: Document) -> Rows:
        """Where the limits of a document are counted. One that stays keeps its row; that of one that goes is used again when nobody is there."""
        wanted = _counted(document) if self._workers > 1 else []
        self._left += [row for whose, row in self._rows.items() if whose not in set(wanted)]
        self._rows = {whose: self._rows[whose] if whose in self._rows else self._new_row() for whose in wanted}
        found: dict[str, dict[str, int]] = {}
        for (key, name), row in self._rows.items():
            found.setdefault(key, {})[name] = row
        return found

    def forget(self, index: int) -> None:
        """This worker has ended: what it held is free, and whoever waits for it is told."""
        for row in range(self._used):
            os.pwrite(self.memory, bytes(RECORD_BYTES), row * self._row_bytes + index * RECORD_BYTES)
        for _reading, writing in self._pipes:
            wake(writing)

    def _new_row(self) -> int:
        for at, row in enumerate(self._left):
            if not any(os.pread(self.memory, self._row_bytes, row * self._row_bytes)):
                return self._left.pop(at)
        if self._used == self._capacity:
            self._capacity += max(_GROWTH_ROWS, self._capacity)
            os.ftruncate(self.memory, self._capacity * self._row_bytes)
        self._used += 1
        return self._used - 1


def _counted(document: Document) -> list[tuple[str, str]]:
    found = []
    for key, backend in document.backends.items():
        limits = [("", backend.max_connections), *((server.name, server.max_connections) for server in backend.members)]
        found += [(key, name) for name, limit in limits if 0 < limit <= _COUNTED_MAX]
    return found
