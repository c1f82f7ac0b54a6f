"""The access log's lines: JSON, or for HTTP the Common Log Format with the combined fields. Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Optional

from ...http.head import BadMessage
from ...http.request import Request

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def format_entry(form: str, fields: Mapping[str, object], wall_clock_s: float) -> str:
    """One line for one request, or session; ``form`` is "json" or "common" (requests only). Control characters cannot appear in it."""
    if form == "json":
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall_clock_s))
        stamp = f"{moment}.{int(wall_clock_s * 1000) % 1000:03d}Z"
        return json.dumps({"time": stamp, **fields}, separators=(",", ":"))
    utc = time.gmtime(wall_clock_s)
    moment = f"{utc.tm_mday:02d}/{_MONTHS[utc.tm_mon - 1]}/{utc.tm_year}:{utc.tm_hour:02d}:{utc.tm_min:02d}:{utc.tm_sec:02d} +0000"
    line = f"{fields['method']} {fields['target']} {fields['version']}" if fields["method"] else "-"
    quoted = " ".join(f'"{_quoted(fields[name])}"' for name in ("referer", "user_agent"))
    user = _quoted(fields.get("user", "")).replace(" ", "\\x20")  # in no quotes, as the format has it
    return f'{fields["client"]} - {user} [{moment}] "{_quoted(line)}" {fields["status"]} {fields["bytes"]} {quoted}'


def request_fields(
    *,
    client: str,
    frontend: str,
    backend: str = "",
    server: str = "",
    request: Optional[Request],
    refused: Optional[BadMessage] = None,
    status: int,
    bytes_out: int,
    duration_s: float,
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
        "client": client,
        "frontend": frontend,
        "backend": backend,
        "server": server,
        "method": method.decode("latin-1"),
        "target": target.decode("latin-1"),
        "version": f"HTTP/1.{minor}" if minor >= 0 else "",
        "host": host.decode("latin-1"),
        "user_agent": request.field(b"user-agent").decode("latin-1") if request is not None else "",
        "referer": request.field(b"referer").decode("latin-1") if request is not None else "",
        "status": status,
        "bytes": bytes_out,
        "duration_ms": round(duration_s * 1000, 1),
        "retries": retries,
        "problem": problem,
        **({"request_id": request_id.decode("ascii")} if request_id else {}),
        **({"user": user.decode()} if user else {}),
    }


def session_fields(
    *,
    client: str,
    frontend: str,
    backend: str,
    server: str,
    bytes_in: int,
    bytes_out: int,
    duration_s: float,
    retries: int,
    problem: str,
) -> dict[str, object]:
    """The fields of a TCP session's line."""
    return {
        "client": client,
        "frontend": frontend,
        "backend": backend,
        "server": server,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "duration_ms": round(duration_s * 1000, 1),
        "retries": retries,
        "problem": problem,
    }


def _quoted(value: object) -> str:
    text = str(value) or "-"
    return "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\x{ord(c):02x}" for c in text)
