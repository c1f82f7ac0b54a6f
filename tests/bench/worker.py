"""One worker's engine on a listener of its own, without a supervisor: what the benchmark measures. ``worker.py LISTEN_PORT SERVER_PORT [uvloop]``."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "runtime"))

from tandem._model import Backend, Document, Frontend, HealthCheck, Server
from tandem.proxy.engine import Engine


async def main(listen_port: int, server_port: int) -> None:
    server = Server("origin", "127.0.0.1", server_port)
    backend = Backend("bench", "origin", servers=(server,), health_check=HealthCheck(type="none"))
    frontend = Frontend("bench", "web", listen_port, ("127.0.0.1",), default_backend="origin")
    listener = socket.create_server(("127.0.0.1", listen_port), backlog=1024)
    engine = Engine(asyncio.get_running_loop(), log=print, warn=print)
    engine.apply(Document().with_object(backend).with_object(frontend), {("bench/web", "127.0.0.1", listen_port): listener})
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[3:] == ["uvloop"]:
        import uvloop

        uvloop.install()
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
