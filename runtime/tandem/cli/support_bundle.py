"""`tandem support-bundle`: everything of this node that helps to understand a fault, in one file that may be shown: without secrets.

Nothing is taken that is a secret, nor the access log, which is of clients. What is taken is searched for every secret that this node has, and for
what looks like one, before it is written.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import __version__, acceleration, events
from .._paths import Paths
from .._store import Store
from .._this_node import this_node
from ..events import stamp
from ..release import release_digest
from .logs import SERVICES, tail
from .status import collect

_COMMAND_S = 20.0
_OUTPUT_BYTES_MAX = 8 * 1024 * 1024
_LOG_LINES = 5000
_SECRET_MIN = 6  # characters; what is shorter is no secret, and would be found everywhere
_MASK = "(secret)"
_COMMANDS = {
    "addresses": ("ip", "-details", "address"),
    "routes": ("ip", "route", "show", "table", "all"),
    "neighbours": ("ip", "neighbour"),
    "sockets": ("ss", "--summary", "--tcp", "--listening", "--numeric", "--processes"),
    "processes": ("ps", "-eo", "pid,ppid,user,stat,rss,etime,comm"),
    "units": ("systemctl", "--no-pager", "--full", "status", "tandem-proxy.service", "tandem-keepalive.service"),
    "kernel": ("sysctl", "net.ipv4", "net.core.somaxconn", "net.netfilter"),
}
# What looks like a secret, whoever wrote it where it stands.
_LOOKS_SECRET = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), _MASK),
    (re.compile(r"(?i)((?:proxy-)?authorization|cookie|set-cookie)(\s*[:=]\s*)[^\r\n]*"), rf"\1\2{_MASK}"),
    (re.compile(r"(?i)(password|passwd|secret|token|api[_-]?key)(\"?\s*[:=]\s*\"?)(?!\"?key-|[0-9a-f]{32}\")[^\s\",;]+"), rf"\1\2{_MASK}"),
    (re.compile(r"://[^/\s:@\"]+:[^/\s@\"]+@"), f"://{_MASK}@"),
)
# Lines of the access log, in its formats: a JSON object with a client, or CLF.
_OF_A_CLIENT = re.compile(r'\{.*"client":|^\S* ?\S+ \S+ \S+ \[[^\]]+\] "[^"]*" \d{3} |" \d{3} (?:\d+|-)(?: |$)')


def run(paths: Paths, given: argparse.Namespace) -> int:
    now = time.time()
    node = str(this_node(paths).get("node", "")) or "node"
    name = f"tandem-{node}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
    output = given.output or Path(f"{name}.tar.gz")
    secrets, unread = known_secrets(paths)
    parts = {part: masked(text, secrets) for part, text in gathered(paths, now)}
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(packed(name, parts, now))
    except OSError as error:
        print(f"{output}: cannot write it: {error.strerror}", file=sys.stderr)
        return 1
    if unread:
        print(f"The secrets in {', '.join(unread)} cannot be read, so they could not be looked for. Run it as root to be sure.", file=sys.stderr)
    print(json.dumps({"schema": 1, "file": str(output), "parts": sorted(parts)}, indent=2, sort_keys=True) if given.json else output)
    return 0


def known_secrets(paths: Paths) -> tuple[list[str], list[str]]:
    """The contents of every secret on the node, the longest first, and each of their lines; and which folders cannot be read."""
    found: set[str] = set()
    unread = []
    for folder in (paths.secrets, paths.keys):
        try:
            for path in sorted(folder.iterdir()) if folder.exists() else ():
                text = path.read_text(errors="replace")
                found |= {text.strip(), *(line.strip() for line in text.splitlines() if not line.startswith("-----"))}
        except OSError:
            unread.append(str(folder))
    return sorted((text for text in found if len(text) >= _SECRET_MIN), key=lambda text: (-len(text), text)), unread


def masked(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        for form in (secret, json.dumps(secret)[1:-1]):
            text = text.replace(form, _MASK)
    for pattern, instead in _LOOKS_SECRET:
        text = pattern.sub(instead, text)
    return text


def gathered(paths: Paths, now: float) -> Iterator[tuple[str, str]]:
    """(name in the bundle, text) of each part. What cannot be had says why."""
    yield "about.json", _json(_about(paths, now))
    yield "status.json", _json(collect(paths))
    with contextlib.suppress(OSError):
        yield "events.jsonl", "".join(f"{json.dumps(event)}\n" for event in events.read(paths))
    for path in (paths.desired, paths.node, paths.hardware, paths.states, *sorted(paths.history.glob("desired-*.json"))):
        text = _text(path)
        if text:
            yield f"files/{path.name}", text
    for service in SERVICES:
        yield f"logs/{service}.log", "\n".join(_log(paths, service)) + "\n"
    for name, command in _COMMANDS.items():
        yield f"system/{name}.txt", _said(command)
    for place in ("/etc/os-release", "/proc/loadavg", "/proc/meminfo", "/proc/net/snmp", "/proc/net/netstat"):
        yield f"system/{Path(place).name}.txt", _text(Path(place))


def _about(paths: Paths, now: float) -> dict[str, Any]:
    folders = (paths.etc, paths.history, paths.secrets, paths.keys, paths.state, paths.run, paths.releases)
    kept = {str(folder): _modes(folder) for folder in folders}
    runs = {"version": __version__, "release": release_digest(), "acceleration": acceleration.choose(paths).words}
    wrong = [f"{path}: has another mode than {mode:o}" for path, mode in Store(paths).wrong_modes()] if os.access(paths.secrets, os.R_OK) else []
    return {"schema": 1, "made": stamp(now), "python": sys.version, "kernel": " ".join(platform.uname()[2:5]), **runs, "files": kept, "modes": wrong}


def _modes(folder: Path) -> Any:
    """What lies in a folder: modes, owners, sizes; of secrets no more than that they are there."""
    try:
        return {
            path.name: f"{path.lstat().st_mode:o} {path.lstat().st_uid}:{path.lstat().st_gid} {path.lstat().st_size}"
            for path in sorted(folder.iterdir())
        }
    except OSError as error:
        return str(error.strerror)


def _log(paths: Paths, service: str) -> list[str]:
    if this_node(paths).get("service_manager") == "systemd":
        lines = _said(
            ("journalctl", "--no-pager", "--output=short-iso-precise", f"--lines={_LOG_LINES}", f"--unit=tandem-{service}.service")
        ).splitlines()
    else:
        try:
            lines = tail(paths.log / f"{service}.log", _LOG_LINES)
        except OSError as error:
            return [str(error)]
    return [line for line in lines if not _OF_A_CLIENT.search(line)]


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_OUTPUT_BYTES_MAX).decode(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{error}\n"


def _said(command: tuple[str, ...]) -> str:
    """What a program says, in English; or why it does not."""
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMAND_S,
            check=False,
            env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{error}\n"
    return (ended.stdout[:_OUTPUT_BYTES_MAX] + ended.stderr[:_OUTPUT_BYTES_MAX]).decode(errors="replace")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, default=str) + "\n"


def packed(name: str, parts: dict[str, str], now: float) -> bytes:
    """A gzip-compressed tar file of the parts, in a folder of that name."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        for part, text in sorted(parts.items()):
            content = text.encode(errors="replace")
            entry = tarfile.TarInfo(f"{name}/{part}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, int(now)
            archive.addfile(entry, io.BytesIO(content))
    return memory.getvalue()
