"""What the services of a busy node say of themselves, without a node, and the metrics that it makes."""

from __future__ import annotations

from typing import Any, Optional

from tandem._model import Document, HealthCheck, Server
from tandem.checks.health import Health
from tandem.metrics.counters import BACKEND, CheckCounters, FrontendCounters, ServerCounters
from tandem.metrics.latency import Latency
from tandem.observe.exposition import render
from tandem.observe.families import Views, families
from tandem.proxy.service.status import Bound, Known, Process, status
from tandem.tls.contexts import KeyPair
from tests.support.node import EDGE, backend, document_of, frontend

SERVERS = (Server("s1", "127.0.0.1", 8001), Server("s2", "127.0.0.1", 8002))
KEEPALIVE = {
    "load_balancers": {
        "edge": {
            "state": "active",
            "priority": 200,
            "transitions": 3,
            "conflicts": {"count": 1, "last": None},
            "peers": {
                "lb-b": {"state": "standby", "last_heard_ms": 250, "digest": "ab", "jitter_us": 1500},
                "lb-c": {"state": "unknown", "last_heard_ms": None, "digest": "", "jitter_us": None},
            },
            "floating_ips": [{"name": "ip", "address": "192.0.2.1/24", "interface": "eth0", "held": True}],
        }
    }
}


def counted() -> dict[str, Any]:
    """What the workers of a busy node say."""
    front, server, latency = FrontendCounters(), ServerCounters(), Latency()
    front.requests, front.responses = 7, [0, 0, 5, 1, 1, 0]
    server.sessions_total = 7
    for seconds in (0.0005, 0.02, 3.0, 100.0):
        latency.answered(0.0005, seconds)
    return {
        "frontends": {"edge/web": front.shown(2)},
        "backends": {
            "edge/shop": {"servers": {"s1": server.shown(1, 3)}, **dict.fromkeys((metric.name for metric in BACKEND), 1), "latency": latency.shown()}
        },
    }


def view(document: Optional[Document] = None, counters: Optional[dict[str, Any]] = None) -> dict[str, Any]:
    document = document or document_of(EDGE, backend(*SERVERS, check=HealthCheck()), frontend(8080))
    checks = CheckCounters()
    checks.add(False, 0.25)
    counted_checks = {("edge/shop", "s1"): checks.shown()}
    known = Known({("edge/shop", "s1"): Health(True, 0, 5.0, "200")}, {}, 10.0, 0.0, checks=counted_checks, certificates={"edge/shop": PAIR})
    process = Process("1.0", "f" * 64, 1, True, "", "abcd", (2, 3), 'none: "why"\nnot')
    return status(process, document, Bound(set(), [], {}), known, counted() if counters is None else counters)


PAIR = KeyPair("", "", ("shop.test",), 0.0, 1_900_000_000.0)


def text(openmetrics: bool, proxy: Any = None, **keepalive: Any) -> str:
    """``keepalive``: what that says; without it KEEPALIVE."""
    return render(families("edge", Views("lb-a", proxy or view(), keepalive.get("keepalive", KEEPALIVE), 0.0)), openmetrics=openmetrics).decode()
