"""The memory in which the workers of a node count clients together (``balance/rates``): made by the supervisor, mapped by each worker."""

from __future__ import annotations

import mmap
import os
from typing import Optional

from ...balance.rates import SEED_BYTES, RateTable, bytes_for


class Rates:
    """One worker's part. The table is made when the first frontend needs it, and stays: others may be counting in it. Without memory that is shared
    it is the worker's own.
    """

    def __init__(self, memory: Optional[memoryview] = None, column: int = 0, columns: int = 1) -> None:
        self._memory, self._column, self._columns = memory, column, columns
        self._table: Optional[RateTable] = None

    def table(self) -> RateTable:
        if self._table is None:
            memory = self._memory
            if memory is None:
                memory = memoryview(bytearray(os.urandom(SEED_BYTES) + bytes(bytes_for(self._columns) - SEED_BYTES)))
            self._table = RateTable(memory, self._column, self._columns)
        return self._table


def shared_rates(columns: int) -> int:
    """Memory for so many workers; pages of it are taken as they are used. The descriptor is the caller's to close."""
    descriptor = os.memfd_create("tandem-rates", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, bytes_for(columns))
    os.pwrite(descriptor, os.urandom(SEED_BYTES), 0)
    return descriptor


def mapped_rates(descriptor: int, columns: int) -> memoryview:
    """The same memory in this process. Closes the descriptor. Raises OSError."""
    try:
        return memoryview(mmap.mmap(descriptor, bytes_for(columns)))
    finally:
        os.close(descriptor)
