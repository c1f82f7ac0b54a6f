"""Health checks against servers of the distribution: what passes with them, what does not, and in which words."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import struct

import pytest

from tandem._model import HealthCheck
from tandem.checks.probe import Target, probe
from tests.support import real_servers
from tests.support.waiting import until

ADDRESS = real_servers.ADDRESS
RULES = """\
host all locked 127.0.0.1/32 scram-sha-256
host all refused 127.0.0.1/32 reject
host all all 127.0.0.1/32 trust
"""
STARTUP = struct.pack("!II", 23, 0x0003_0000) + b"user\0postgres\0\0"


def needs(name, package):
    return pytest.mark.skipif(not real_servers.program(name), reason=f"needs {name} from the distribution's package {package}")


def looked(server, **options):
    """The result of one check, without how long it took."""
    check = HealthCheck(**{"timeout_ms": 10_000, **options})
    passed, said = asyncio.run(probe(Target(ADDRESS, server.port, check)))
    return passed, re.sub(r" in \d+ ms$", "", said)


@needs("redis-server", "redis-server")
def test_redis_is_up_as_it_answers_and_as_the_role_is_that_clients_need():
    with real_servers.redis() as master, real_servers.redis("--replicaof", ADDRESS, str(master.port)) as replica:
        for server in (master, replica):
            assert looked(server, type="redis") == (True, "Redis answered PONG")
        assert looked(master, type="redis", redis_role="master") == (True, "Redis is master")
        assert looked(replica, type="redis", redis_role="master") == (False, "Redis has role slave, expected master")
        assert replica.say(b"REPLICAOF NO ONE\r\n").startswith(b"+OK")
        assert looked(replica, type="redis", redis_role="master") == (True, "Redis is master")
    assert looked(master, type="redis") == (False, "Connection refused")


@needs("redis-server", "redis-server")
def test_redis_that_wants_a_password_says_so():
    with real_servers.redis("--requirepass", "x") as server:
        assert looked(server, type="redis") == (False, 'Redis says "NOAUTH Authentication required."')
        # What the how-to says: nothing but what a check asks, for everybody who is nobody.
        rules = b"ACL SETUSER app on >y ~* +@all\r\nACL SETUSER default on nopass -@all +ping +info\r\n"
        server.say(b"AUTH x\r\n" + rules + b"PING\r\n")
        until(lambda: looked(server, type="redis", redis_role="master") == (True, "Redis is master"))
        assert server.say(b"SET a b\r\n").startswith(b"-NOPERM")


@needs("mariadbd", "mariadb-server-core")
def test_mariadb_greets_and_begins_a_session_for_a_user_without_a_password():
    with real_servers.mariadb() as server:

        def aborted():
            return (server.folder / "log").read_bytes().count(b"Aborted connection")

        passed, said = looked(server, type="mysql", user="locked")
        assert not passed
        assert "MySQL says error 1045: \"Access denied for user 'locked'@" in said
        assert not looked(server, type="mysql", user="nobody-knows")[0]
        before = aborted()
        passed, said = looked(server, type="mysql", user="checker")
        assert passed, said
        assert re.fullmatch(r'MySQL "1\d\.\d+\.\d+-MariaDB[^"]*" has begun a session', said)
        passed, said = looked(server, type="mysql")
        assert passed, said
        assert said.endswith("greets")
        # Who leaves after the greeting is noted, and in time locked out; a session that ends is not.
        until(lambda: aborted() == before + 1)


@needs("postgres", "postgresql")
def test_postgresql_answers_and_begins_a_session_as_far_as_it_goes_without_a_password():
    with real_servers.postgresql(RULES, "max_connections=3", "superuser_reserved_connections=0", "max_wal_senders=0") as server:
        assert looked(server, type="postgresql") == (True, "PostgreSQL answers, without TLS")
        # At first it may say 57P03, that it starts up.
        until(lambda: looked(server, type="postgresql", user="postgres") == (True, "PostgreSQL has begun a session"))
        assert looked(server, type="postgresql", user="locked") == (True, "PostgreSQL asks who it is")
        passed, said = looked(server, type="postgresql", user="refused")
        assert not passed
        assert said.startswith('PostgreSQL says 28000: "pg_hba.conf rejects connection')
        with contextlib.ExitStack() as sessions:

            def is_full():
                """Takes one place more, until there is none for a check."""
                sock = sessions.enter_context(socket.create_connection((ADDRESS, server.port), 5))
                sock.sendall(STARTUP)
                sock.recv(1)
                return looked(server, type="postgresql", user="postgres") == (False, 'PostgreSQL says 53300: "sorry, too many clients already"')

            until(is_full)
            assert looked(server, type="postgresql")[0]  # which does not notice


@needs("slapd", "slapd")
def test_openldap_is_up_where_it_takes_anonymous_binds():
    with real_servers.slapd() as server:
        assert looked(server, type="ldap") == (True, "LDAP took an anonymous bind")
    with real_servers.slapd("disallow bind_anon") as server:
        assert looked(server, type="ldap") == (False, 'LDAP says result 48 (anonymous binds are refused): "anonymous bind disallowed"')


@needs("smtpd", "opensmtpd")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: OpenSMTPD does")
def test_opensmtpd_is_greeted():
    with real_servers.opensmtpd() as server:
        assert looked(server, type="smtp") == (True, 'SMTP says "250-mail.example.org Hello localhost [127.0.0.1], pleased to meet you"')
