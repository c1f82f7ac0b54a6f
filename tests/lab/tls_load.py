"""Clients of HTTPS on a host of the lab; prints one JSON object for each request.

Its input is one line of JSON: the floating IP, the port, the authority and the hosts to ask for. It ends when its input ends. For each host there are
four clients: two that keep their connection, which nobody may close, and two that make one for each request.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import sys
import threading
import time

_PERIOD_S = 0.1
_PATIENCE_S = 5
_lock = threading.Lock()
_stopped = threading.Event()


class Connection(http.client.HTTPSConnection):
    """A connection to a host at the floating IP, which is not opened again behind our back."""

    def __init__(self, address, host, context):
        super().__init__(host, address[1], timeout=_PATIENCE_S, context=context)
        self.sock = context.wrap_socket(socket.create_connection(address, _PATIENCE_S), server_hostname=host)
        self.auto_open = 0


def ask(told, host, context, connection):
    """One request, told of on standard output; the connection to go on with, None after a failure or an end."""
    kept, began = connection is not None, time.monotonic()
    certificate, reason = "", ""
    try:
        connection = connection or Connection((told["address"], told["port"]), host, context)
        certificate = hashlib.sha256(connection.sock.getpeercert(binary_form=True)).hexdigest()
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        reason = "" if response.status == 200 else f"status {response.status}"
        closed = response.will_close
    except (OSError, http.client.HTTPException) as error:
        reason, closed = repr(error), True
    line = {"host": host, "kept": kept, "began": began, "ended": time.monotonic(), "certificate": certificate, "reason": reason, "closed": closed}
    with _lock:
        print(json.dumps(line), flush=True)
    return None if closed else connection


def client(told, host, context, keeps):
    connection = None
    while not _stopped.wait(_PERIOD_S):
        connection = ask(told, host, context, connection)
        if connection is not None and not keeps:
            connection.close()
            connection = None


def main():
    told = json.loads(sys.stdin.readline())
    context = ssl.create_default_context(cadata=told["authority"])
    clients = [
        threading.Thread(target=client, args=(told, host, context, keeps), daemon=True)
        for host in told["hosts"]
        for keeps in (True, True, False, False)
    ]
    for each in clients:
        each.start()
    sys.stdin.read()
    _stopped.set()
    for each in clients:
        each.join()


if __name__ == "__main__":
    main()
