"""Servers of the distribution, for health checks to talk to: each on a free port of 127.0.0.1, in a folder of its own, without root where it can do
without, and ended by its id."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.network import free_port
from tests.support.waiting import until

ADDRESS = "127.0.0.1"
_NOBODY = 65534
_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_MARIADB = ("--no-defaults", "--lc-messages-dir=/usr/share/mysql", "--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M")
# Without a password, and with one.
_MARIADB_USERS = """
insert into global_priv values ('%', 'checker', '{"access":0,"plugin":"mysql_native_password","authentication_string":""}');
insert into global_priv values ('%', 'locked', concat('{"access":0,"plugin":"mysql_native_password","authentication_string":"', password('x'), '"}'));
"""


def program(name: str) -> str:
    """Where it lies; "" where it is not installed."""
    for place in [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))] if name in ("postgres", "initdb") else [_PATH]:
        found = shutil.which(name, path=place)
        if found:
            return found
    return ""


class Running:
    """A server: its folder, its port, and its process."""

    def __init__(self, folder: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.folder, self.port, self.process = folder, port, process

    def say(self, *pieces: bytes) -> bytes:
        """What comes back on a connection of its own."""
        with socket.create_connection((ADDRESS, self.port), 5) as sock:
            for piece in pieces:
                sock.sendall(piece)
            return sock.recv(65536)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """One that a server without root may reach and write."""
    folder = Path(tempfile.mkdtemp(prefix="tandem-server-"))
    folder.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> dict[str, object]:
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _done(command: Sequence[str], folder: Path, content: str = "") -> None:
    """Runs what prepares a server."""
    run = subprocess.run(
        command, cwd=folder, input=content.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False, **_unprivileged()
    )
    assert run.returncode == 0, run.stdout.decode(errors="replace")[-2000:]


@contextlib.contextmanager
def _started(command: Sequence[str], folder: Path, port: int, *, as_root: bool = False) -> Iterator[Running]:
    """A server that takes connections."""
    log = folder / "log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **({} if as_root else _unprivileged())
        )
    try:

        def listens() -> bool:
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            with contextlib.suppress(OSError), socket.create_connection((ADDRESS, port), 1):
                return True
            return False

        until(listens, 30, f"{command[0]} listens on port {port}")
        yield Running(folder, port, process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def redis(*options: str) -> Iterator[Running]:
    port = free_port(address=ADDRESS)
    with _folder() as folder:
        command = [
            program("redis-server"),
            "--port",
            str(port),
            "--bind",
            ADDRESS,
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(folder),
            *options,
        ]
        with _started(command, folder, port) as running:
            yield running


@contextlib.contextmanager
def mariadb() -> Iterator[Running]:
    """With two users, ``checker`` without a password and ``locked`` with one."""
    port = free_port(address=ADDRESS)
    with _folder() as folder:
        data = folder / "data"
        _done(["mkdir", str(data)], folder)
        tables = [Path(f"/usr/share/mysql/mysql_{part}.sql").read_text(encoding="utf-8") for part in ("system_tables", "system_tables_data")]
        statements = "".join(("create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n", *tables, _MARIADB_USERS))
        _done([program("mariadbd"), *_MARIADB, "--bootstrap", f"--datadir={data}", f"--tmpdir={folder}", "--skip-networking"], folder, statements)
        options = (
            f"--datadir={data}",
            f"--tmpdir={folder}",
            f"--bind-address={ADDRESS}",
            f"--port={port}",
            f"--socket={folder}/socket",
            f"--pid-file={folder}/pid",
        )
        with _started([program("mariadbd"), *_MARIADB, *options, "--skip-name-resolve"], folder, port) as running:
            yield running


@contextlib.contextmanager
def postgresql(rules: str, *settings: str) -> Iterator[Running]:
    """``rules``: the lines of pg_hba.conf. The superuser is ``postgres``."""
    port = free_port(address=ADDRESS)
    with _folder() as folder:
        data = folder / "data"
        _done([program("initdb"), "-D", str(data), "-A", "trust", "-N", "-U", "postgres", "--no-locale"], folder)
        (data / "pg_hba.conf").write_text(rules, encoding="utf-8")
        set_to = [f"listen_addresses={ADDRESS}", f"port={port}", f"unix_socket_directories={folder}", "fsync=off", *settings]
        with _started([program("postgres"), "-D", str(data), *(word for one in set_to for word in ("-c", one))], folder, port) as running:
            yield running


@contextlib.contextmanager
def slapd(*lines: str) -> Iterator[Running]:
    port = free_port(address=ADDRESS)
    with _folder() as folder:
        _done(["mkdir", "data"], folder)
        config = ["include /etc/ldap/schema/core.schema", *lines, "database ldif", f"directory {folder}/data", 'suffix "dc=example,dc=org"']
        (folder / "slapd.conf").write_text("\n".join([f"pidfile {folder}/pid", *config, ""]), encoding="utf-8")
        # In the foreground, as it is told how much to say.
        with _started([program("slapd"), "-d", "0", "-f", f"{folder}/slapd.conf", "-h", f"ldap://{ADDRESS}:{port}/"], folder, port) as running:
            yield running


@contextlib.contextmanager
def opensmtpd() -> Iterator[Running]:
    """Its folders are fixed, and it wants root: they are its own in a mount namespace."""
    port = free_port(address=ADDRESS)
    with _folder() as folder:
        (folder / "smtpd.conf").write_text(
            f'listen on {ADDRESS} port {port} hostname mail.example.org\naction "local" mbox\nmatch for local action "local"\n', encoding="utf-8"
        )
        places = "for place in /var/spool /run /var/lib/opensmtpd; do mount -t tmpfs tmpfs $place || exit 1; done"
        folders = "mkdir -m 711 /var/spool/smtpd && mkdir -m 755 /var/lib/opensmtpd/empty"
        script = f"{places}; {folders} && exec {program('smtpd')} -d -f {folder}/smtpd.conf"
        with _started(["unshare", "--mount", "--propagation", "private", "sh", "-c", script], folder, port, as_root=True) as running:
            yield running
