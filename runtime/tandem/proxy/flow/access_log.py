"""The access log's lines: JSON, the Common Log Format, that with the combined fields, or HAProxy's (its configuration manual, 8.2.2 to 8.5). Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from ...http.head import BadMessage
from ...http.request import Request

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LATE = (" within timeouts.", "too long")  # in the problem of what waited in vain


class Timings(NamedTuple):
    """Seconds; None where it did not come to that. ``response`` is from the connection to the answer's head, ``whole`` from the request's head on."""

    whole: float
    head: float = 0.0
    queue: float = 0.0
    connect: Optional[float] = None
    response: Optional[float] = None

    def shown(self) -> dict[str, Optional[float]]:
        """In milliseconds."""
        parts = {"head_ms": self.head, "queue_ms": self.queue, "connect_ms": self.connect, "response_ms": self.response, "duration_ms": self.whole}
        return {name: None if seconds is None else round(seconds * 1000, 1) for name, seconds in parts.items()}


class Load(NamedTuple):
    """What this worker had under way when the line was written: HAProxy's feconn, beconn, srv_conn and backend_queue."""

    frontend: int = 0
    backend: int = 0
    server: int = 0
    queue: int = 0


_NOTHING = Load()


def format_entry(form: str, fields: Mapping[str, Any], wall_clock_s: float, load: Load = _NOTHING) -> str:
    """One line for one request, or session; ``form`` is "json", "haproxy", or of requests only "common" or "combined". Control characters cannot
    appear in it.
    """
    if form == "json":
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall_clock_s))
        return json.dumps({"time": f"{moment}.{int(wall_clock_s * 1000) % 1000:03d}Z", **fields}, separators=(",", ":"))
    if form == "haproxy":
        return _haproxy(fields, wall_clock_s, load)
    user = _quoted(fields.get("user", "")).replace(" ", "\\x20")  # in no quotes, as the format has it
    line = f'{fields["client"]} - {user} [{_moment(wall_clock_s)} +0000] "{_line(fields)}" {fields["status"]} {fields["bytes"]}'
    if form == "combined":
        line += "".join(f' "{_quoted(fields[name])}"' for name in ("referer", "user_agent"))
    return line


def _moment(wall_clock_s: float) -> str:
    utc = time.gmtime(wall_clock_s)
    return f"{utc.tm_mday:02d}/{_MONTHS[utc.tm_mon - 1]}/{utc.tm_year}:{utc.tm_hour:02d}:{utc.tm_min:02d}:{utc.tm_sec:02d}"


def _line(fields: Mapping[str, Any]) -> str:
    return _quoted(f"{fields['method']} {fields['target']} {fields['version']}") if fields["method"] else "-"


def _haproxy(fields: Mapping[str, Any], wall_clock_s: float, load: Load) -> str:
    """``option httplog``, or for a session ``option tcplog``, after the part that syslog(3) writes."""
    began_s = wall_clock_s - fields["duration_ms"] / 1000
    accepted = f"{_moment(began_s)}.{int(began_s * 1000) % 1000:03d}"
    # Its names have no slash, ours begin with the load balancer's.
    frontend = fields["frontend"].rpartition("/")[2] + ("~" if fields.get("scheme") == "https" else "")
    backend = fields["backend"].rpartition("/")[2]
    server = f"{backend or frontend}/{fields['server'] or '<NOSRV>'}"
    counts = f"{load.frontend}/{load.frontend}/{load.backend}/{load.server}/{fields['retries']} 0/{load.queue}"
    start = f"{fields['client']}:{fields['client_port']} [{accepted}] {frontend} {server}"
    queue, connect, whole = (_whole_ms(fields[name]) for name in ("queue_ms", "connect_ms", "duration_ms"))
    ended = _ended(fields)
    if "method" not in fields:
        return f"{start} {queue}/{connect}/{whole} {fields['bytes_out']} {ended} {counts}"
    head, response = _whole_ms(fields["head_ms"]), _whole_ms(fields["response_ms"])
    line = _line(fields) if fields["method"] else "<BADREQ>"
    return f'{start} {head}/{queue}/{connect}/{response}/{whole} {fields["status"] or -1} {fields["bytes"]} - - {ended}-- {counts} "{line}"'


def _whole_ms(milliseconds: Optional[float]) -> int:
    return -1 if milliseconds is None else round(milliseconds)


def _ended(fields: Mapping[str, Any]) -> str:
    """Who ended it, and in which phase: the first two letters of HAProxy's state of a session at its end."""
    problem = fields["problem"]
    if not problem:
        return "--"
    placed = fields["connect_ms"] is not None
    status = fields.get("status")
    if status == 408:
        who = "c"
    elif problem.startswith("the client"):
        who = "C"
    elif status == 504 or any(late in problem for late in _LATE):
        who = "s"
    else:
        who = "S" if fields["backend"] else "P"
    if not fields["backend"]:
        return who + "R"
    if not placed:
        return who + ("Q" if "queue" in problem or "waited" in problem else "C")
    return who + ("H" if fields.get("response_ms", 0) is None else "D")


def request_fields(
    *,
    client: tuple[str, int],
    frontend: str,
    backend: str = "",
    server: str = "",
    scheme: bytes,
    request: Optional[Request],
    refused: Optional[BadMessage] = None,
    status: int,
    bytes_out: int,
    timings: Timings,
    retries: int = 0,
    problem: str,
    request_id: bytes = b"",
    user: bytes = b"",
) -> dict[str, object]:
    """The fields of a request's line; of one whose head was ``refused`` what could be read of it."""
    method = target = host = b""
    minor = -1
    if request is not None:
        method, target, host, minor = request.method, request.target, request.fields.host, request.fields.minor
    elif refused is not None and refused.method:
        method, target, host, minor = refused.method, refused.target, refused.host, refused.minor
    return {
        "client": client[0],
        "client_port": client[1],
        "frontend": frontend,
        "backend": backend,
        "server": server,
        "scheme": scheme.decode("ascii"),
        "method": method.decode("latin-1"),
        "target": target.decode("latin-1"),
        "version": f"HTTP/1.{minor}" if minor >= 0 else "",
        "host": host.decode("latin-1"),
        "user_agent": request.field(b"user-agent").decode("latin-1") if request is not None else "",
        "referer": request.field(b"referer").decode("latin-1") if request is not None else "",
        "status": status,
        "bytes": bytes_out,
        **timings.shown(),
        "retries": retries,
        "problem": problem,
        **({"request_id": request_id.decode("ascii")} if request_id else {}),
        **({"user": user.decode()} if user else {}),
    }


def session_fields(
    *,
    client: tuple[str, int],
    frontend: str,
    backend: str,
    server: str,
    bytes_in: int,
    bytes_out: int,
    timings: Timings,
    retries: int,
    problem: str,
) -> dict[str, object]:
    """The fields of a TCP session's line."""
    parts = timings.shown()
    return {
        "client": client[0],
        "client_port": client[1],
        "frontend": frontend,
        "backend": backend,
        "server": server,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        **{name: parts[name] for name in ("queue_ms", "connect_ms", "duration_ms")},
        "retries": retries,
        "problem": problem,
    }


def _quoted(value: object) -> str:
    text = str(value) or "-"
    return "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\x{ord(c):02x}" for c in text)
