"""The declared counters of a worker, and the objects that carry them. A peak is summed as the largest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """``kind``: counter, gauge or peak. ``help`` is what an operator reads.

    ``exported`` is its name for Prometheus where that is not ``name`` (without ``_total``, which the format adds), ``label`` the value of the label
    ``class`` that tells metrics of one exported name apart. What is exported is the number divided by ``per``: 1000 makes seconds of milliseconds.
    """

    name: str
    kind: str
    help: str
    exported: str = ""
    label: str = ""
    per: int = 1


FRONTEND = (
    Metric("connections_total", "counter", "client connections that were accepted", "connections"),
    Metric("requests", "counter", "requests whose head was read"),
    Metric("bytes_in", "counter", "bytes from clients", "received_bytes"),
    Metric("bytes_out", "counter", "bytes to clients", "sent_bytes"),
    Metric("refused", "counter", "TCP clients that were turned away, by an ACL or as there was no server", "refused_clients"),
    Metric("bad_requests", "counter", "requests that were refused for what they are"),
    Metric("proxy_headers_bad", "counter", "connections of trusted proxies that did not say in time and form whose they are"),
    Metric("limited", "counter", "requests and connections that client_limits refused"),
    Metric("denied", "counter", "requests that an ACL denied, at once or out of a tarpit"),
    Metric("unauthorized", "counter", "requests that were asked for a password, or showed a wrong one"),
    Metric("handshakes", "counter", "TLS handshakes with clients that were completed", "tls_handshakes"),
    Metric("handshakes_resumed", "counter", "of them, those that resumed a session", "tls_handshakes_resumed"),
    Metric("handshakes_failed", "counter", "TLS handshakes with clients that failed, or took too long", "tls_handshakes_failed"),
    Metric("responses_1xx", "counter", "answers that switch protocols", "responses", "1xx"),
    Metric("responses_2xx", "counter", "answers of success", "responses", "2xx"),
    Metric("responses_3xx", "counter", "redirecting answers", "responses", "3xx"),
    Metric("responses_4xx", "counter", "answers that say that the client erred, ours among them", "responses", "4xx"),
    Metric("responses_5xx", "counter", "answers that say that the server failed, ours among them", "responses", "5xx"),
    Metric("connections", "gauge", "client connections that stand now", "open_connections"),
)
SERVER = (
    Metric("sessions_total", "counter", "requests, or TCP sessions, that were given to the server", "sessions"),
    Metric("connects", "counter", "connections that were begun to the server"),
    Metric("connect_errors", "counter", "connections to the server that did not come about"),
    Metric("response_errors", "counter", "answers of the server that failed"),
    Metric("retries", "counter", "attempts after a failed one"),
    Metric("responses_5xx", "counter", "answers of the server that say that it failed", "error_responses"),
    Metric("sessions", "gauge", "requests, or TCP sessions, that are under way at the server", "open_sessions"),
    Metric("idle", "gauge", "connections to the server that wait for a request", "idle_connections"),
)
CHECK = (
    Metric("checks", "counter", "health checks of the server that have ended"),
    Metric("checks_failed", "counter", "of them, those that it did not pass"),
    Metric("check_us", "gauge", "how long its last health check took", "check_duration_seconds", per=1_000_000),
)
BACKEND = (
    Metric("sessions", "gauge", "requests, or TCP sessions, that are under way at its servers", "open_sessions"),
    Metric("queue", "gauge", "clients that wait for a free server", "queued_clients"),
    Metric("queue_max_seen", "peak", "most clients that have waited at once", "queued_clients_max"),
    Metric("queue_timeouts", "counter", "clients that waited in vain"),
)
GAUGES = frozenset(metric.name for metric in (*FRONTEND, *SERVER, *BACKEND) if metric.kind == "gauge")
PEAKS = frozenset(metric.name for metric in (*FRONTEND, *SERVER, *BACKEND) if metric.kind == "peak")


class FrontendCounters:
    """``responses`` by class of status, 1 to 5; index 0 stays unused."""

    __slots__ = (
        "bad_requests",
        "bytes_in",
        "bytes_out",
        "connections_total",
        "denied",
        "handshakes",
        "handshakes_failed",
        "handshakes_resumed",
        "limited",
        "proxy_headers_bad",
        "refused",
        "requests",
        "responses",
        "unauthorized",
    )

    def __init__(self) -> None:
        self.connections_total = 0
        self.requests = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.refused = 0
        self.bad_requests = 0
        self.proxy_headers_bad = 0
        self.limited = 0
        self.denied = 0
        self.unauthorized = 0
        self.handshakes = 0
        self.handshakes_resumed = 0
        self.handshakes_failed = 0
        self.responses = [0, 0, 0, 0, 0, 0]

    def shown(self, connections: int) -> dict[str, int]:
        """By declared name."""
        return {
            "connections_total": self.connections_total,
            "requests": self.requests,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "refused": self.refused,
            "bad_requests": self.bad_requests,
            "proxy_headers_bad": self.proxy_headers_bad,
            "limited": self.limited,
            "denied": self.denied,
            "unauthorized": self.unauthorized,
            "handshakes": self.handshakes,
            "handshakes_resumed": self.handshakes_resumed,
            "handshakes_failed": self.handshakes_failed,
            **{f"responses_{n}xx": self.responses[n] for n in range(1, 6)},
            "connections": connections,
        }


class ServerCounters:
    __slots__ = ("connect_errors", "connects", "response_errors", "responses_5xx", "retries", "sessions_total")

    def __init__(self) -> None:
        self.sessions_total = 0
        self.connects = 0
        self.connect_errors = 0
        self.response_errors = 0
        self.retries = 0
        self.responses_5xx = 0

    def shown(self, sessions: int, idle: int) -> dict[str, int]:
        """By declared name."""
        return {
            "sessions_total": self.sessions_total,
            "connects": self.connects,
            "connect_errors": self.connect_errors,
            "response_errors": self.response_errors,
            "retries": self.retries,
            "responses_5xx": self.responses_5xx,
            "sessions": sessions,
            "idle": idle,
        }


class CheckCounters:
    __slots__ = ("check_us", "checks", "checks_failed")

    def __init__(self) -> None:
        self.checks = 0
        self.checks_failed = 0
        self.check_us = 0

    def add(self, passed: bool, took_s: float) -> None:
        """One more check has ended."""
        self.checks += 1
        if not passed:
            self.checks_failed += 1
        self.check_us = int(took_s * 1_000_000)

    def shown(self) -> dict[str, int]:
        """By declared name; empty before the first check."""
        return {"checks": self.checks, "checks_failed": self.checks_failed, "check_us": self.check_us} if self.checks else {}
