"""What status shows of the frontends that the kernel serves, from the table and the kernel's counters. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .._model import Document, endpoints, listen_addresses
from .table import Table
from .target import kernel_frontends

Counted = tuple[int, int]  # packets, bytes


def view(
    document: Document, table: Table, active: Collection[str], counters: Mapping[str, Counted], sessions: Mapping[int, int]
) -> dict[str, dict[str, Any]]:
    """By frontend: where it listens, and what was counted, in all and for each server. Bytes are those of whole packets."""
    shown: dict[str, dict[str, Any]] = {}
    for key, frontend in kernel_frontends(document).items():
        listening = endpoints(listen_addresses(document, frontend), frontend.port) if frontend.load_balancer in active and table else []
        shown[key] = {"listening": listening, **_sums([]), "servers": {}}
    for target in table.targets:
        frontend_view = shown.get(target.frontend)
        if frontend_view is not None:
            new, taken, given = (counters.get(name, (0, 0)) for name in target.counters)
            counted = {
                "connections": new[0],
                "sessions": sessions.get(target.mark, 0) + sessions.get(target.reversed, 0),
                "packets_in": taken[0],
                "bytes_in": taken[1],
                "packets_out": given[0],
                "bytes_out": given[1],
            }
            frontend_view["servers"][target.server] = counted
    for frontend_view in shown.values():
        frontend_view.update(_sums(list(frontend_view["servers"].values())))
    return shown


def _sums(servers: list[dict[str, int]]) -> dict[str, int]:
    names = ("connections", "sessions", "packets_in", "bytes_in", "packets_out", "bytes_out")
    return {name: sum(server[name] for server in servers) for name in names}
