# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads ``node.json``: what is particular to this node. The modules write it (``_release``).

Used by the modules and by the runtime (the bundle carries this file), so: standard library only, Python 3.9.
"""

from __future__ import annotations

import json
from typing import Any

from ._paths import Paths


def this_node(paths: Paths) -> dict[str, Any]:
    """All of it; empty before the runtime was deployed, and where it is broken."""
    try:
        content = json.loads(paths.node.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def node_name(paths: Paths) -> str:
    """This node's name in its load balancers; "" before it has been given one."""
    return str(this_node(paths).get("node", ""))


def stated_workers(node: dict[str, Any]) -> int:
    """How many workers its proxy is to have; 0 for one on each core that it may use."""
    given = node.get("workers", 0)
    return given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else 0
