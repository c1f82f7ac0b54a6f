# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tandem's words as data: objects with their options, defaults and rules. Shared by modules and runtime.

Standard library only, no input or output, Python 3.9. Start reading at ``_objects``.
"""

from __future__ import annotations

from ._document import KINDS, Document, Object, describe
from ._objects import (
    Backend,
    BackendTimeouts,
    FloatingIP,
    Frontend,
    FrontendTimeouts,
    HealthCheck,
    Heartbeat,
    LoadBalancer,
    Node,
    Route,
    Server,
    Sticky,
)
from ._options import Option, argument_spec, declared, from_options, from_stored, to_options, to_stored
from ._problems import ModelError, Problem, known
from ._rules import addresses_in_use, backends_of, check_document, endpoints, listen_addresses, users
from ._values import duration_ms, duration_text, fingerprint, in_pool, pool, pool_addresses, status_ranges

__all__ = [
    "KINDS",
    "Backend",
    "BackendTimeouts",
    "Document",
    "FloatingIP",
    "Frontend",
    "FrontendTimeouts",
    "HealthCheck",
    "Heartbeat",
    "LoadBalancer",
    "ModelError",
    "Node",
    "Object",
    "Option",
    "Problem",
    "Route",
    "Server",
    "Sticky",
    "addresses_in_use",
    "argument_spec",
    "backends_of",
    "check_document",
    "declared",
    "describe",
    "duration_ms",
    "duration_text",
    "endpoints",
    "fingerprint",
    "from_options",
    "from_stored",
    "in_pool",
    "known",
    "listen_addresses",
    "pool",
    "pool_addresses",
    "status_ranges",
    "to_options",
    "to_stored",
    "users",
]
