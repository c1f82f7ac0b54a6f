"""Bytes on their way from one socket to another that stay in the kernel, where nothing of them is copied (splice(2)). One per worker."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable
from typing import Optional

from ..http.body import Spliced

PIPE_BYTES = 512 * 1024  # what one connection may pass on in a turn
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ, fcntl(2); in Python's module from 3.10 on
_FLAGS = 1 | 2  # SPLICE_F_MOVE, SPLICE_F_NONBLOCK
_splice: Optional[Callable[..., int]] = getattr(os, "splice", None)  # from Python 3.10 on
_REFUSED = (errno.EINVAL, errno.ENOSYS, errno.EPERM)


class Pipe(Spliced):
    """``works`` is False where there is no splice, or the kernel refuses it; then nobody may ``fill`` it."""

    def __init__(self) -> None:
        self._size = 0
        self.works = _splice is not None
        self._ends: tuple[int, ...] = ()

    def fill(self, fd: int, most: int) -> None:
        """Takes what a socket has, ``most`` bytes at most; 0 is its end. What was left is lost. Raises OSError as recv does, and BlockingIOError
        where the kernel refuses to splice: then it ``works`` no more."""
        self.clear()
        if not self._ends:
            try:
                self._open()
            except OSError:  # no descriptors are left: that is no fault of the connection, which is read as without splicing
                self.works = False
                raise BlockingIOError from None
        try:
            self._size = self._spliced(fd, self._ends[1], min(most, PIPE_BYTES))
        except OSError as error:
            if error.errno in _REFUSED:
                self.works = False
                raise BlockingIOError from None
            raise

    def send_to(self, fd: int) -> int:
        sent = self._spliced(self._ends[0], fd, self._size)
        self._size -= sent
        return sent

    def _spliced(self, source: int, target: int, size: int) -> int:
        if _splice is None:
            raise BlockingIOError
        return _splice(source, target, size, flags=_FLAGS)

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        """The bytes themselves, which are here no longer."""
        pieces = []
        while self._size:
            piece = os.read(self._ends[0], self._size)
            self._size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def clear(self) -> None:
        if self._size:
            bytes(self)

    def close(self) -> None:
        ends, self._ends, self._size = self._ends, (), 0
        for end in ends:
            os.close(end)

    def _open(self) -> None:
        self._ends = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with contextlib.suppress(OSError):  # it is smaller then, where the user has many
            fcntl.fcntl(self._ends[1], _SET_PIPE_SIZE, PIPE_BYTES)
