"""An open-loop client: sends requests when they are due, whether or not answers have come, and says how long after that each answer was there.

``client.py PORT PATH RATE SECONDS`` prints the latencies in microseconds as a JSON list. They count from when a request was due, not from when it
went out: a client that waits for slow answers before it asks again would not see how many others they would have kept waiting.
"""

from __future__ import annotations

import contextlib
import gc
import json
import re
import select
import socket
import sys
import time
from collections import deque
from pathlib import Path

_CONNECTIONS = 32
_LATE_S = 5.0  # how long after the last request was due all answers must be there


class Asker:
    """One kept connection, with a request under way or none."""

    def __init__(self, port: int, path: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        self._answer = b""
        self.due = 0.0

    def ask(self, due: float) -> None:
        self.due = due
        self.sock.sendall(self._request)

    def answered(self) -> bool:
        """Reads what is there; whether the answer is whole."""
        data = self.sock.recv(65536)
        if not data:
            raise ValueError("a connection was closed")
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if not end:
            return False
        if not head.startswith(b"HTTP/1.1 200 ") or length is None:
            raise ValueError(f"the answer was {head[:200]!r}")
        if len(body) < int(length[1]):
            return False
        self._answer = b""
        return True


def latencies(port: int, path: str, rate: float, seconds: float) -> list[float]:
    """In microseconds, in the order of the answers. Raises OSError and ValueError."""
    askers = [Asker(port, path) for _count in range(_CONNECTIONS)]
    by_number = {asker.sock.fileno(): asker for asker in askers}
    poll = select.epoll()
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    free = deque(askers)
    total = max(1, int(rate * seconds))
    found: list[float] = []
    clock = time.perf_counter
    began, sent = clock() + 0.05, 0
    while len(found) < total:
        now = clock()
        while sent < total and free and began + sent / rate <= now:
            free.popleft().ask(began + sent / rate)
            sent += 1
        if now > began + seconds + _LATE_S:
            raise ValueError(f"of {total} requests {len(found)} were answered: it does not keep to the rate")
        wait = began + sent / rate - now if sent < total and free else 1.0
        # epoll_wait(2) as Python has it rounds up to milliseconds, which is more than what is measured; select(2) does not.
        select.select([poll], [], [], max(wait, 0.0))
        for number, _events in poll.poll(0):
            asker = by_number[number]
            if asker.answered():
                found.append((clock() - asker.due) * 1e6)
                free.append(asker)
    return found


def main(port: int, path: str, rate: float, seconds: float) -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/timerslack_ns").write_text("1")  # else the kernel wakes us up to 50 microseconds late (prctl(2), PR_SET_TIMERSLACK)
    gc.disable()
    try:
        found = latencies(port, path, rate, seconds)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(json.dumps([round(one, 1) for one in found]))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
