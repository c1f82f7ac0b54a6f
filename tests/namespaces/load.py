"""A client in a namespace: `load.py ADDRESS PORT MODE SECONDS [PATIENCE_S]`; prints one JSON object per request.

It ends when its standard input ends, or in time.

`probe` opens a connection every 10 ms; `busy` keeps eight clients asking as fast as they are answered, half of them on kept connections.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time

_PERIOD_S = 0.01
_PATIENCE_S = float((sys.argv[5:] or ["2"])[0])
_lock = threading.Lock()


def ask(target, connection=None):
    """One request; the connection to go on with, None after a failure or an end."""
    began, server, reason = time.monotonic(), None, ""
    connection = connection or http.client.HTTPConnection(*target, timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        server = response.headers.get("X-Served-By") if response.status == 200 else None
        reason = "" if server else f"status {response.status}"
        if response.headers.get("Connection") == "close":
            connection = None
    except (OSError, http.client.HTTPException) as error:
        reason, connection = repr(error), None
    with _lock:
        print(json.dumps({"began": began, "ended": time.monotonic(), "server": server, "reason": reason, "closed": connection is None}), flush=True)
    return connection


def probe(target, ends):
    asking, due = [], time.monotonic()
    while time.monotonic() < ends and not _stopped.is_set():
        asking.append(threading.Thread(target=ask, args=(target,), daemon=True))
        asking[-1].start()
        due += _PERIOD_S
        _stopped.wait(max(0.0, due - time.monotonic()))
    for thread in asking:
        thread.join()


def busy(target, ends):
    # As much as there is room for: in real time (tests/support/real_time.py) it would keep the kernel from writing to the disk.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

    def client(kept):
        connection = None
        while time.monotonic() < ends and not _stopped.is_set():
            connection = ask(target, connection)
            if connection is not None and not kept:
                connection.close()
                connection = None

    clients = [threading.Thread(target=client, args=(number % 2 == 0,)) for number in range(8)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()


_stopped = threading.Event()


def main():
    target, mode, seconds = (sys.argv[1], int(sys.argv[2])), sys.argv[3], float(sys.argv[4])

    def watch_input():
        sys.stdin.read()
        _stopped.set()

    threading.Thread(target=watch_input, daemon=True).start()
    {"probe": probe, "busy": busy}[mode](target, time.monotonic() + seconds)


if __name__ == "__main__":
    main()
