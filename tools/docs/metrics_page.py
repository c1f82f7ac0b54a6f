# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page of all metrics: the families that a node shows which has one object of each kind, with what is declared of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

_HEAD = """\
# Metrics

Written by `make docs` from what is declared in the runtime. Do not edit it here. Where they are to be had is told in
[Metrics and the dashboard](../how-to/metrics.md).

Label values are names of the document and a few words: there are as many series as the document has objects, whatever clients do. A
counter counts from the start of the proxy; what a worker has counted stays when it ends. Histograms have the buckets {bounds} seconds.

| metric | type | labels | what |
| --- | --- | --- | --- |
"""


def render(root: Path) -> str:
    """The runtime is found in the checkout itself: nothing of it is installed."""
    if str(root / "runtime") not in sys.path:
        sys.path.insert(0, str(root / "runtime"))
    from tandem.metrics.latency import BUCKETS
    from tandem.observe.families import Views, families

    endings = {"counter": "_total", "info": "_info"}
    rows = []
    for family in families("edge", Views("lb-a", _proxy(), _KEEPALIVE, 0.0)):
        labels = ", ".join(f"`{name}`" for name in family.samples[0].labels if name != "le")
        rows.append(f"| `{family.name}{endings.get(family.kind, '')}` | {family.kind} | {labels} | {family.help} |\n")
    return _HEAD.format(bounds=", ".join(BUCKETS)) + "".join(rows)


def _proxy() -> dict[str, Any]:
    """As status shows a proxy with one object of each kind."""
    from tandem.metrics.counters import BACKEND, CHECK, FRONTEND, SERVER
    from tandem.metrics.latency import Latency

    frontend, backend, server = (dict.fromkeys((metric.name for metric in metrics), 0) for metrics in (FRONTEND, BACKEND, (*SERVER, *CHECK)))
    servers = {"s1": {"state": "up", "admin_state": "ready", "weight": 1, **server}}
    return {
        "version": "",
        "release": "",
        "acceleration": "",
        "digest": "",
        "generation": 1,
        "ready": True,
        "workers": [],
        "frontends": {"edge/web": {"listening": [], "problems": [], **frontend}},
        "backends": {"edge/shop": {**backend, "latency": Latency().shown(), "servers": servers}},
        "certificates": {"edge/shop": {"not_after_s": 0}},
    }


_KEEPALIVE = {
    "load_balancers": {
        "edge": {
            "state": "active",
            "priority": 1,
            "transitions": 0,
            "conflicts": {"count": 0},
            "peers": {"lb-b": {"last_heard_ms": 0, "digest": "0", "jitter_us": 0}},
            "floating_ips": [{"name": "ip", "address": "", "held": True}],
        }
    }
}
