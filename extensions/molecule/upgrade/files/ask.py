"""Clients that ask at the addresses given until /tmp/enough is there, half of them on kept connections; then says how many were answered, who failed.

Runs on a host with nothing but Python. A kept connection that the server has announced to close is not an error, one that breaks off in a request is.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from pathlib import Path

ENOUGH = Path("/tmp/enough")
LIFE_S = 200
PERIOD_S = 0.02
answered, failed, slowest = [], [], [0.0]


def ask(address, kept):
    connection = None
    ends = time.monotonic() + LIFE_S
    while not ENOUGH.exists() and time.monotonic() < ends:
        began = time.monotonic()
        try:
            connection = connection or http.client.HTTPConnection(address, 80, timeout=10)
            connection.request("GET", "/", headers={} if kept else {"Connection": "close"})
            answer = connection.getresponse()
            answer.read()
            (answered if answer.status == 200 else failed).append(f"{address}: status {answer.status}")
            if not kept or answer.headers.get("Connection") == "close":
                connection.close()
                connection = None
        except (OSError, http.client.HTTPException) as error:
            failed.append(f"{address}, {'kept' if kept else 'new'} connection: {error!r} after {time.monotonic() - began:.3f} s")
            connection = None
        slowest[0] = max(slowest[0], time.monotonic() - began)
        time.sleep(PERIOD_S)
    if not ENOUGH.exists():
        failed.append(f"{address}: nobody said that it was enough within {LIFE_S} s")


def main():
    clients = [threading.Thread(target=ask, args=(address, kept)) for address in sys.argv[1:] for kept in (True, False)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    print(json.dumps({"answered": len(answered), "failed": failed, "slowest_ms": round(slowest[0] * 1000)}))


if __name__ == "__main__":
    main()
