"""A whole proxy service with one worker and many servers to check: writes the document below a prefix, then becomes the service.

``node.py RUNTIME PREFIX LISTEN_PORT SERVER_PORT BACKENDS ADDRESS,...``; RUNTIME is the folder that holds the package.
"""

from __future__ import annotations

import json
import os
import sys

sys.path.insert(0, sys.argv[1])

from tandem._model import Backend, Document, Frontend, HealthCheck, LoadBalancer, Node, Server
from tandem._paths import Paths
from tandem._store import Store


def main(runtime: str, prefix: str, numbers: list[int], addresses: list[str]) -> None:
    listen_port, server_port, backends = numbers
    paths = Paths(prefix)
    paths.etc.mkdir(parents=True)
    paths.node.write_text(json.dumps({"node": "lb-a"}))
    servers = tuple(Server(f"s{number}", address, server_port) for number, address in enumerate(addresses))
    document = Document(generation=1).with_object(LoadBalancer("bench", Node("lb-a", "127.0.0.11"), Node("lb-b", "127.0.0.12")))
    for number in range(backends):
        document = document.with_object(Backend("bench", f"b{number}", servers=servers, health_check=HealthCheck(type="http", path="/small")))
    document = document.with_object(Frontend("bench", "web", listen_port, ("127.0.0.1",), default_backend="b0"))
    Store(paths).write(document)
    os.environ["TANDEM_WORKERS"] = "1"
    program = os.path.join(runtime, "tandem", "__main__.py")
    os.execv(sys.executable, [sys.executable, "-I", program, "--prefix", prefix, "proxy"])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [int(number) for number in sys.argv[3:6]], sys.argv[6].split(","))
