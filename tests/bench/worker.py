"""One worker's engine on a listener of its own, without a supervisor: what the benchmark measures.

``worker.py RUNTIME LISTEN_PORT SERVER_PORT http|tcp [CERTIFICATE]``; RUNTIME is the folder that holds the package. CERTIFICATE is a file with a
certificate and its key: without it clients speak no TLS.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from tandem._model import Backend, Document, Frontend, FrontendTls, HealthCheck, Server
from tandem.proxy.context import Context
from tandem.proxy.reactor import Reactor
from tandem.proxy.worker.engine import Engine
from tandem.tls.contexts import KeyPair
from tandem.tls.tickets import KEYS_BYTES


def main(listen_port: int, server_port: int, protocol: str, certificate: str) -> None:
    server = Server("origin", "127.0.0.1", server_port)
    backend = Backend("bench", "origin", protocol=protocol, servers=(server,), health_check=HealthCheck(type="none"))
    # As most have it; it lets clients choose TLS 1.3, which those of the benchmark do.
    tls = FrontendTls(("shown",), profile="intermediate") if certificate else FrontendTls()
    pairs = {"bench/shown": KeyPair(certificate, certificate, ("bench.test",))} if certificate else {}
    frontend = Frontend("bench", "web", listen_port, ("127.0.0.1",), protocol=protocol, tls=tls, default_backend="origin")
    listener = socket.create_server(("127.0.0.1", listen_port), backlog=1024)
    reactor = Reactor()
    engine = Engine(Context(reactor, print, print))
    document, listeners = Document().with_object(backend).with_object(frontend), {("bench/web", "127.0.0.1", listen_port): listener}
    engine.apply(document, listeners, certificates=pairs, ticket_keys=os.urandom(KEYS_BYTES))
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], Path(sys.argv[5]).read_text() if sys.argv[5:] else "")
