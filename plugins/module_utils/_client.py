# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks the running runtime: HTTP with JSON over its unix sockets. Blocking; for modules and the command line."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any, Optional

from ._paths import socket_address

_ANSWER_BYTES_MAX = 64 * 1024 * 1024
_CONNECT_TIMEOUT_S = 5.0


def is_listening(path: Path) -> bool:
    """Whether a service listens on a unix socket. A killed service leaves its socket's file behind, so that says nothing."""
    try:
        with socket.socket(socket.AF_UNIX) as probe, socket_address(path) as address:
            probe.settimeout(_CONNECT_TIMEOUT_S)
            probe.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


class NotRunning(Exception):
    """Nobody answers on the socket: the service is not running, or hangs."""


class Refused(Exception):
    """The service answered and refused; ``str()`` is its reason, ``problems`` the list behind it."""

    def __init__(self, message: str, problems: list[str]) -> None:
        super().__init__(message)
        self.problems = problems


class Client:
    """One service's control socket. ``timeout_s`` bounds each wait for an answer."""

    def __init__(self, path: Path, timeout_s: float = 30.0) -> None:
        self.path = path
        self.timeout_s = timeout_s

    def status(self) -> dict[str, Any]:
        return self.request("GET", "/v1/status")

    def load(self, generation: int) -> dict[str, Any]:
        """Makes the service use that generation, which lies on disk. Raises Refused; it then goes on with the former one."""
        return self.request("POST", "/v1/load", {"generation": generation})

    def request(self, method: str, target: str, body: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """One request, one answer. Raises NotRunning, Refused."""
        connection = _UnixConnection(self.path, self.timeout_s)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, target, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read(_ANSWER_BYTES_MAX) or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotRunning(f"{self.path}: no answer ({error})") from error
        finally:
            connection.close()
        if response.status >= 400:
            error_part = answer.get("error") or {}
            raise Refused(error_part.get("message", f"status {response.status}"), list(error_part.get("problems", [])))
        return dict(answer)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with socket_address(self._path) as address:
            self.sock.connect(address)
