"""One line of a service's log. Under systemd it carries its level for the journal (sd-daemon(3)); elsewhere the level is a word in front."""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import select
import sys
import threading
from collections.abc import Iterator
from typing import Optional

_JOURNAL = {"error": "<3>", "warning": "<4>", "info": "<6>"}
_UNWRITTEN_BYTES_MAX = 4 * 1024 * 1024
_LAST_WORDS_S = 1.0

_aside: list[LogWriter] = []  # one, or none


def say(level: str, text: str) -> None:
    """Writes ``text`` to standard error. ``level``: error, warning or info."""
    if _aside:
        _aside[-1].write(worded(level, text) + "\n")
    else:
        print(worded(level, text), file=sys.stderr, flush=True)


@contextlib.contextmanager
def said_aside() -> Iterator[None]:
    """Within it ``say`` waits for nobody: for services, which must go on when the log's reader does not."""
    _aside.append(LogWriter(sys.stderr.fileno()))
    try:
        yield
    finally:
        _aside.pop().close()


def worded(level: str, text: str) -> str:
    """The line, or lines, as they go to the log: the journal takes the level of each line from its first characters."""
    if _to_journal():
        return "\n".join(_JOURNAL[level] + line for line in text.splitlines())
    return f"{level}: {text}"


class LogWriter:
    """Writes to a descriptor in a thread of its own. What is more than 4 MiB ahead of the reader is dropped, and counted.

    A thread, since a descriptor that several processes share cannot be made non-blocking for one of them, and one that is ready for some bytes may
    block for all of them (write(2), pipe(7)). Any thread may write.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._dropped = 0
        self._giving = threading.Lock()
        self._given = self._done = 0  # bytes
        self._pieces: queue.SimpleQueue[Optional[bytes]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def write(self, lines: str) -> None:
        """Takes whole lines, each with its end."""
        with self._giving:
            if self._given - self._done > _UNWRITTEN_BYTES_MAX:
                self._dropped += lines.count("\n")
                return
            if self._dropped:
                lines = worded("warning", f"{self._dropped} log lines were dropped") + "\n" + lines
                self._dropped = 0
            piece = lines.encode(errors="replace")
            self._given += len(piece)
            self._pieces.put(piece)

    def close(self) -> None:
        """Waits for what is left, but not for long."""
        self._pieces.put(None)
        self._thread.join(_LAST_WORDS_S)

    def _work(self) -> None:
        while True:
            piece = self._pieces.get()
            if piece is None:
                return
            with contextlib.suppress(OSError):  # nobody reads any more, or the disk is full: there is nowhere to say so
                self._write(piece)
            self._done += len(piece)

    def _write(self, piece: bytes) -> None:
        while piece:
            try:
                piece = piece[os.write(self._descriptor, piece) :]
            except BlockingIOError:  # somebody else made it non-blocking
                select.select([], [self._descriptor], [])


@functools.lru_cache(maxsize=1)
def _to_journal() -> bool:
    """Whether standard error is the journal's (systemd.exec(5), JOURNAL_STREAM: its device and inode)."""
    try:
        stream = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"
