"""The tests' own ssh client: runs commands on the hosts of an ssh_config, over kept connections, and knows their host keys."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

_CONNECT_S = 5
_COMMAND_S = 120


@dataclass(frozen=True)
class Result:
    """What a command said and how it ended."""

    status: int
    stdout: str
    stderr: str


class Hosts:
    """``with Hosts(ssh_config) as hosts: hosts.run("lb-a", "systemctl status tandem-proxy")``."""

    def __init__(self, config: Path) -> None:
        self._config = paramiko.SSHConfig.from_path(str(config))
        self._clients: dict[str, paramiko.SSHClient] = {}

    def __enter__(self) -> Hosts:
        return self

    def __exit__(self, *_exception: object) -> None:
        for host in list(self._clients):
            self.forget(host)

    def run(self, host: str, command: str, *, sudo: bool = False, check: bool = True, timeout_s: float = _COMMAND_S, given: str = "") -> Result:
        """Runs a shell command, whose input is ``given``. Raises AssertionError when it fails and ``check``; OSError, SSHException when the host
        cannot be reached."""
        channel = self.start(host, command, sudo=sudo, timeout_s=timeout_s)
        try:
            channel.sendall(given.encode())
            channel.shutdown_write()
            # Standard error is read in between by paramiko's own thread, up to the channel's window of 2 MiB.
            stdout = channel.makefile("rb").read().decode(errors="replace")
            stderr = channel.makefile_stderr("rb").read().decode(errors="replace")
            result = Result(channel.recv_exit_status(), stdout, stderr)
        except TimeoutError:
            self.forget(host)
            raise
        finally:
            channel.close()
        if check and result.status:
            raise AssertionError(f"{host}: {command}: exit status {result.status}\n{stdout}{stderr}")
        return result

    def reachable(self, host: str) -> bool:
        """Whether the host lets its user in just now."""
        self.forget(host)
        try:
            return self.run(host, "true", check=False, timeout_s=_CONNECT_S).status == 0
        except (OSError, EOFError, paramiko.SSHException):
            return False

    def start(self, host: str, command: str, *, sudo: bool = False, timeout_s: float = _COMMAND_S) -> paramiko.Channel:
        """Begins a command and returns its channel; closing its input is the usual way to end it."""
        if sudo:
            command = f"sudo -n sh -c {_quoted(command)}"
        channel = self._transport(host).open_session(timeout=_CONNECT_S)
        channel.settimeout(timeout_s)
        channel.exec_command(command)
        return channel

    def forget(self, host: str) -> None:
        """Drops the connection, as a host that was powered off does not."""
        client = self._clients.pop(host, None)
        if client is not None:
            client.close()

    def _transport(self, host: str) -> paramiko.Transport:
        client = self._clients.get(host)
        transport = client.get_transport() if client else None
        if transport is None or not transport.is_active():
            self.forget(host)
            transport = self._connect(host)
        return transport

    def _connect(self, host: str) -> paramiko.Transport:
        found = self._config.lookup(host)
        client = paramiko.SSHClient()
        client.load_host_keys(found["userknownhostsfile"].strip('"'))
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        # The connection is made here, as known_hosts lists a host by its address.
        connection = socket.create_connection((found["hostname"], int(found.get("port", 22))), timeout=_CONNECT_S)
        key = found["identityfile"][0].strip('"')
        try:
            client.connect(
                found["hostname"],
                username=found["user"],
                key_filename=key,
                sock=connection,
                look_for_keys=False,
                allow_agent=False,
                banner_timeout=_CONNECT_S,
                auth_timeout=_CONNECT_S,
            )
        except BaseException:
            connection.close()
            client.close()
            raise
        self._clients[host] = client
        transport = client.get_transport()
        assert transport is not None
        return transport


class Lines:
    """What a running command prints, one JSON object a line, collected while it runs."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self.found: list[dict[str, Any]] = []
        self._channel = channel
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._channel.makefile("r"):
            self.found.append(json.loads(line))

    def end(self, within_s: float = 30) -> None:
        """Closes the command's input, and waits until it has said all."""
        self._channel.shutdown_write()
        self._reader.join(within_s)
        self._channel.close()


def _quoted(command: str) -> str:
    return "'" + command.replace("'", "'\\''") + "'"
