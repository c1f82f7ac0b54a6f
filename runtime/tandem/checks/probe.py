"""One check of one server: what is probed, by which kind of probe, and within which time."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Optional, Union

from .._model import Backend, BackendTls, HealthCheck, Server
from ..tls.contexts import ServerTls
from ..wire.proxy_protocol import LOCAL_V2, write_v1
from . import tcp
from .conversation import Conversation, Verdict
from .http import Answer
from .ldap import LdapCheck
from .mysql import MysqlCheck
from .postgresql import PostgresqlCheck
from .redis import RedisCheck
from .script import Checked, Scripts
from .smtp import SmtpCheck
from .talk import PlainTalk, SecretTalk, converse

Result = Verdict


class Target(NamedTuple):
    """What is probed for one server, ``name`` of the backend with the key ``backend``. ``secret``: the backend and the names of the server, where it
    is probed over TLS. ``header``: the version of the PROXY protocol that the check begins with; "none" for none.
    """

    address: str
    port: int
    check: HealthCheck
    secret: Optional[tuple[BackendTls, str, str, str]] = (
        None  # the load balancer's name, the name that is sent, the one that the certificate must have
    )
    header: str = "none"
    backend: str = ""
    name: str = ""


TlsOf = Callable[[Target], Optional[ServerTls]]


def target_of(backend: Backend, server: Server, address: Optional[str] = None) -> Target:
    """``address``: where a server is that is stated by name; "" while that has none, so that nobody can look at it."""
    check, tls = backend.health_check, backend.tls
    port = check.port or server.port or backend.port
    if server.host and not check.host and check.type in ("http", "https"):
        check = replace(check, host=f"{server.host.rstrip('.')}:{port}")
    secret = None
    if backend.checked_over_tls:
        sni = check.sni or tls.sni_of(server)
        secret = (tls, backend.load_balancer, sni, tls.verify_name or check.sni or tls.name_of(server))
    place = server.address if address is None else address
    return Target(place, port, check, secret, backend.checked_with_header, backend.key, server.name)


async def probe(target: Target, tls_of: TlsOf = lambda _target: None, scripts: Optional[Scripts] = None) -> Result:
    """Bounded by the check's timeout; raises nothing that a server could cause. ``tls_of``: how a target is spoken to over TLS."""
    if target.check.type == "script":
        return await (scripts or Scripts()).run(target.check, Checked(target.backend, target.name, target.address, target.port))
    began = time.monotonic()
    try:
        passed, said = await asyncio.wait_for(_probe(target, tls_of(target)), target.check.timeout_ms / 1000)
    except asyncio.TimeoutError:  # before OSError, of which it is a kind since Python 3.11
        return False, f"no answer within {target.check.timeout_ms} ms"
    except OSError as error:
        return False, words_of(error)
    return passed, f"{said} in {(time.monotonic() - began) * 1000:.0f} ms"


def words_of(error: OSError) -> str:
    """asyncio words its own message; the kernel's is the one that operators know."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


async def _probe(target: Target, tls: Optional[ServerTls]) -> Result:
    with new_socket(target.address) as sock:
        said = await tcp.connect(sock, target.address, target.port)
        if target.header != "none":
            await asyncio.get_running_loop().sock_sendall(sock, _own_header(target.header, sock))
        if tls is None:
            talk: Union[PlainTalk, SecretTalk] = PlainTalk(sock)
        else:
            talk = await SecretTalk.begin(sock.dup(), tls)
            said = "shook hands over TLS"
        try:
            conversation = _conversation(target)
            return (True, said) if conversation is None else await converse(talk, conversation)
        finally:
            talk.close()


def _own_header(version: str, sock: socket.socket) -> bytes:
    """It is a connection of our own. Version 1 has no word for that which all servers take, so there it says our address (proxy-protocol.txt 2.1)."""
    if version == "v2":
        return LOCAL_V2
    (ours, our_port), (theirs, their_port) = sock.getsockname()[:2], sock.getpeername()[:2]
    return write_v1(ours.partition("%")[0], our_port, theirs.partition("%")[0], their_port)


def new_socket(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


def _conversation(target: Target) -> Optional[Conversation]:
    """None: who has taken the connection, and has shaken hands where that is asked for, has passed."""
    check = target.check
    kind = check.type
    if kind in ("http", "https"):
        place = f"[{target.address}]" if ":" in target.address else target.address
        return Answer(check, check.host or f"{place}:{target.port}")
    if kind == "redis":
        return RedisCheck(check.redis_role)
    if kind == "mysql":
        return MysqlCheck(check.user)
    if kind == "postgresql":
        return PostgresqlCheck(check.user)
    if kind == "ldap":
        return LdapCheck()
    if kind == "smtp":
        return SmtpCheck(check.host or "localhost")
    return None
