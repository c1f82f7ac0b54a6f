"""TCP keepalives as the kernel has them, on connections of clients and to servers."""

from __future__ import annotations

import socket

from tandem._model import KeepaliveProbes
from tests.support.proxy_lab import Lab, in_lab, until

PROBES = KeepaliveProbes(60_000, 5000, 4)
NONE = KeepaliveProbes()


def asked(sock: socket.socket) -> tuple[int, ...]:
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE):
        return ()
    return tuple(sock.getsockopt(socket.IPPROTO_TCP, one) for one in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT))


@in_lab
async def test_silent_peers_on_either_side_are_asked_as_the_options_say_and_changes_hold_for_new_connections(lab: Lab):
    origin = await lab.origin()

    async def both(frontend: KeepaliveProbes, backend: KeepaliveProbes) -> tuple[tuple[int, ...], tuple[int, ...]]:
        await lab.serve(origin, frontend={"keepalive_probes": frontend}, keepalive_probes=backend, max_retries=backend.count)
        origin.hang_up()
        client = await lab.client()
        assert (await client.get()).status == 200
        (ours,) = [one for one in lab.connections() if one.connection.sock.getpeername() == client.writer.get_extra_info("sockname")]
        server = lab.engine._backends["lb/app"].servers["s1"]
        await until(lambda: len(server.idle) == 1)
        (idle,) = server.idle
        return asked(ours.connection.sock), asked(idle.sock)

    assert await both(NONE, NONE) == ((), ())
    assert await both(PROBES, NONE) == ((60, 5, 4), ())
    assert await both(NONE, PROBES) == ((), (60, 5, 4))
    assert await both(KeepaliveProbes(1000), PROBES) == ((1, 10, 3), (60, 5, 4))
