"""The access log's lines: JSON, or for HTTP the Common Log Format with the combined fields. Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

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
    return f'{fields["client"]} - - [{moment}] "{_quoted(line)}" {fields["status"]} {fields["bytes"]} {quoted}'


def _quoted(value: object) -> str:
    text = str(value) or "-"
    return "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\x{ord(c):02x}" for c in text)
