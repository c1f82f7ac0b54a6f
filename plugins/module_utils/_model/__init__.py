# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tandem's words as data: objects with their options, defaults and rules. Pure. Shared by modules and runtime.

Standard library only, no input or output, Python 3.9. Start reading at ``_objects``.
"""

from __future__ import annotations

from ._acl import Acl, BasicAuth, Redirect, User
from ._backend import Backend, BackendTimeouts, BackendTls, Observe, Resolver, Server, Sticky
from ._conditions import Comparison, Conditions, check_conditions
from ._document import KINDS, Document, addresses_in_use, describe, listen_addresses, users
from ._frontend import ClientLimits, Frontend, FrontendTimeouts, FrontendTls, Route, WeightedBackend
from ._headers import FORWARDED_FIELDS, AllDown, Compression, ErrorPage, HeaderRule, PathRewrite, RequestId
from ._health import AgentCheck, HealthCheck
from ._names import is_localhost, name_server_place, server_address
from ._objects import (
    PRIVATE_KEY,
    Certificate,
    FloatingIP,
    Heartbeat,
    KeepaliveProbes,
    LoadBalancer,
    Node,
    Notify,
    Object,
    Observing,
    ObservingUser,
    Track,
    TrackScript,
)
from ._options import FILE, Option, argument_spec, declared, from_options, from_stored, offered, public_texts, to_options, to_stored
from ._passwords import PASSWORD_BYTES_MAX, PasswordHash, read_hash
from ._patterns import Automaton, automaton
from ._pem import chain, chain_shown, utc
from ._problems import ModelError, Problem, known, plain, readable
from ._rules import OwnPlaces, check_document, endpoints
from ._texts import refuse_unencodable
from ._values import duration_ms, duration_text, fingerprint, in_pool, node_name, pool, pool_addresses, status_ranges
from ._variables import ARGUMENT, TEXT, VARIABLES, parts_of, variables_in
from ._x509 import certificates

__all__ = [
    "ARGUMENT",
    "FILE",
    "FORWARDED_FIELDS",
    "KINDS",
    "PASSWORD_BYTES_MAX",
    "PRIVATE_KEY",
    "TEXT",
    "VARIABLES",
    "Acl",
    "AgentCheck",
    "AllDown",
    "Automaton",
    "Backend",
    "BackendTimeouts",
    "BackendTls",
    "BasicAuth",
    "Certificate",
    "ClientLimits",
    "Comparison",
    "Compression",
    "Conditions",
    "Document",
    "ErrorPage",
    "FloatingIP",
    "Frontend",
    "FrontendTimeouts",
    "FrontendTls",
    "HeaderRule",
    "HealthCheck",
    "Heartbeat",
    "KeepaliveProbes",
    "LoadBalancer",
    "ModelError",
    "Node",
    "Notify",
    "Object",
    "Observe",
    "Observing",
    "ObservingUser",
    "Option",
    "OwnPlaces",
    "PasswordHash",
    "PathRewrite",
    "Problem",
    "Redirect",
    "RequestId",
    "Resolver",
    "Route",
    "Server",
    "Sticky",
    "Track",
    "TrackScript",
    "User",
    "WeightedBackend",
    "addresses_in_use",
    "argument_spec",
    "automaton",
    "certificates",
    "chain",
    "chain_shown",
    "check_conditions",
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
    "is_localhost",
    "known",
    "listen_addresses",
    "name_server_place",
    "node_name",
    "offered",
    "parts_of",
    "plain",
    "pool",
    "pool_addresses",
    "public_texts",
    "read_hash",
    "readable",
    "refuse_unencodable",
    "server_address",
    "status_ranges",
    "to_options",
    "to_stored",
    "users",
    "utc",
    "variables_in",
]
