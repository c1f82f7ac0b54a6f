# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of health checks: what decides whether a server is up, and what an agent on the server may add."""

from __future__ import annotations

from dataclasses import dataclass

from . import _values as values
from ._options import option
from ._patterns import automaton

OVER_HTTP = ("http", "https")
ALWAYS_OVER_TLS = ("https", "tls")


def _optional_address(given: str) -> str:
    return values.address(given) if given else ""


def _expression(given: str) -> str:
    if given:
        automaton(given)
    return given


@dataclass(frozen=True)
class AgentCheck:
    """HAProxy's agent protocol: a program says how much a server takes, beside the check. Port 0: there is none. Without an address it is on the
    server itself. ``send`` is said to it first, with ``{backend}`` and ``{server}`` replaced."""

    port: int = option("int", 0, maximum=65535)
    address: str = option("str", "", read=_optional_address)
    interval_ms: int = option("duration", 3000, minimum=50, maximum=3_600_000)
    send: str = option("str", "", read=values.text)

    def words_for(self, backend: str, server: str) -> str:
        """What is said to the agent of a server, by the names of both."""
        return self.send.replace("{backend}", backend).replace("{server}", server)


@dataclass(frozen=True)
class HealthCheck:
    """The repeated probe that decides whether a server is up. Port 0 is the server's own; an empty host is its address, and for ``smtp`` localhost.

    While a state is about to change (some checks failed, or passed again), the shorter of both intervals counts.
    """

    type: str = option("str", "tcp", choices=("tcp", "http", "https", "tls", "redis", "mysql", "postgresql", "ldap", "smtp", "script", "none"))
    port: int = option("int", 0, maximum=65535)
    interval_ms: int = option("duration", 3000, minimum=50, maximum=3_600_000)
    timeout_ms: int = option("duration", 1000, minimum=10, maximum=3_600_000)
    fast_interval_ms: int = option("duration", 500, minimum=50, maximum=3_600_000)
    rise: int = option("int", 2, minimum=1, maximum=100)
    fall: int = option("int", 3, minimum=1, maximum=100)
    method: str = option("str", "GET", choices=("GET", "HEAD", "OPTIONS"))
    path: str = option("str", "/", read=values.path)
    host: str = option("str", "", read=values.host)
    http_version: str = option("str", "1.1", choices=("1.1", "1.0"))
    headers: dict[str, str] = option("labels", dict)
    expect_status: str = option("str", "200-299", read=values.statuses)
    expect_body: str = option("str", "")
    expect_body_regex: str = option("str", "", read=_expression)
    user: str = option("str", "", read=values.text)
    redis_role: str = option("str", "any", choices=("any", "master"))
    script: str = option("str", "", read=values.file_path)
    tls: str = option("str", "auto", choices=("auto", "always", "never"))
    proxy_protocol: str = option("str", "auto", choices=("auto", "none", "v1", "v2"))
    sni: str = option("str", "", read=values.server_name)
    agent: AgentCheck = option("object", AgentCheck, of=AgentCheck)
