"""What the checks of each protocol say and hear, byte by byte: in whatever pieces an answer comes, cut off, endless, or nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import time

import pytest

from tandem._model import HealthCheck
from tandem.checks.agent import Advice, AgentQuestion, advised
from tandem.checks.conversation import ANSWER_BYTES_MAX
from tandem.checks.ldap import LdapCheck
from tandem.checks.mysql import MysqlCheck
from tandem.checks.postgresql import PostgresqlCheck
from tandem.checks.probe import Target, probe
from tandem.checks.redis import RedisCheck
from tandem.checks.smtp import SmtpCheck
from tests.support.origin import run


def mysql(number, content):
    return len(content).to_bytes(3, "little") + bytes((number,)) + content


def info(text):
    return b"+PONG\r\n$%d\r\n%b\r\n" % (len(text), text)


def refused(*fields):
    content = b"".join(kind + text + b"\0" for kind, text in fields) + b"\0"
    return b"E" + struct.pack("!I", len(content) + 4) + content


# As MariaDB 10.11 and MySQL 8.0 greet.
MARIADB = (
    bytes.fromhex(
        "640000000a352e352e352d31302e31312e31392d4d6172696144420005000000356830543"
        "85a3e6300fef7080200ff81150000000000001d0000005b7c7e25382b6c612223294500"
    )
    + b"mysql_native_password\0"
)
MARIADB = mysql(0, MARIADB[4:])
MYSQL = mysql(
    0, b"\x0a8.0.36\0" + b"\x08\0\0\0" + b"12345678\0" + b"\xff\xff\xff\x02\0\xff\xdf\x15" + b"\0" * 10 + b"123456789012\0caching_sha2_password\0"
)
ANCIENT = mysql(0, b"\x0a5.0.96\0" + b"\x08\0\0\0" + b"12345678\0" + b"\x2c\xa2\x08\x02\0\0\0\0" + b"\0" * 10 + b"123456789012\0")
OK = b"\0\0\0\x02\0\0\0"
DENIED = b"\xff\x15\x04#28000Access denied for user 'x'"
LDAP_OK = bytes.fromhex("300c02010161070a010004000400")
GREETING = b"220 mail.example.org ESMTP\r\n"


def named(user):
    """The answer to a greeting of a server that knows plugins."""
    return struct.pack("<IIB23x", 0x0008_8201, 0xFFFFFF, 33) + user + b"\0\0mysql_native_password\0"


# What is made; what is heard, and after "<" what is said then; whether that passes, and words of what is seen.
CASES = {
    "redis": (lambda: RedisCheck("any"), [b"+PONG\r\n"], True, "Redis answered PONG"),
    "redis, bare line feeds": (lambda: RedisCheck("any"), [b"+PONG\n"], True, "Redis answered PONG"),
    "redis that loads": (lambda: RedisCheck("any"), [b"-LOADING Redis is loading\r\n"], False, 'Redis says "LOADING Redis is loading"'),
    "redis that is none": (lambda: RedisCheck("any"), [b"HTTP/1.1 400 Bad\r\n"], False, '(it begins with "HTTP/1.1 400 Bad" instead of PONG)'),
    "redis that ends": (lambda: RedisCheck("any"), [b""], False, "no valid Redis answer (the connection was closed without one)"),
    "redis that breaks off": (lambda: RedisCheck("any"), [b"+PON"], False, '(the connection was closed after "+PON")'),
    "redis, the master": (lambda: RedisCheck("master"), [info(b"# Replication\r\nrole:master\r\nslaves:0\r\n")], True, "Redis is master"),
    "redis, a replica": (lambda: RedisCheck("master"), [info(b"role:slave\r\nmaster_host:role:master\r\n")], False, "role slave, expected master"),
    "redis without a role": (lambda: RedisCheck("master"), [info(b"xrole:master\r\n")], False, "Redis has role none"),
    "redis that tells no role": (lambda: RedisCheck("master"), [b"+PONG\r\n-NOPERM this user\r\n"], False, 'Redis says "NOPERM this user"'),
    "redis with an odd role": (lambda: RedisCheck("master"), [b"+PONG\r\n:1\r\n"], False, '(INFO is answered with ":1")'),
    "redis with a long role": (lambda: RedisCheck("master"), [b"+PONG\r\n$99999999\r\n"], False, '(INFO is answered with "$99999999")'),
    "redis that breaks its role off": (lambda: RedisCheck("master"), [b"+PONG\r\n$99\r\nrole:master"], False, "the connection was closed after"),
    "mariadb": (lambda: MysqlCheck(""), [MARIADB], True, 'MySQL "10.11.19-MariaDB" greets'),
    "mariadb, a session": (lambda: MysqlCheck("x"), [MARIADB, "<", mysql(1, named(b"x")), mysql(2, OK)], True, "has begun a session"),
    "mysql": (lambda: MysqlCheck(""), [MYSQL], True, 'MySQL "8.0.36" greets'),
    "mysql, a session": (
        lambda: MysqlCheck("x"),
        [MYSQL, "<", mysql(1, named(b"x")), mysql(2, b"\xfecaching_sha2_password\0salt\0"), "<", mysql(3, b"\0"), mysql(4, OK)],
        True,
        'MySQL "8.0.36" has begun a session',
    ),
    "mysql, a quick session": (
        lambda: MysqlCheck("x"),
        [MYSQL, "<", mysql(1, named(b"x")), mysql(2, b"\x01\x03") + mysql(3, OK)],
        True,
        "has begun a session",
    ),
    "mysql, a native user": (
        lambda: MysqlCheck("x"),
        [MYSQL, "<", mysql(1, named(b"x")), mysql(2, b"\xfemysql_native_password\0salt\0"), "<", mysql(3, b""), mysql(4, OK)],
        True,
        "has begun a session",
    ),
    "mysql, a user with a password": (lambda: MysqlCheck("x"), [MYSQL, "<", mysql(1, named(b"x")), mysql(2, DENIED)], False, "error 1045"),
    "mysql, a full proof": (lambda: MysqlCheck("x"), [MYSQL, "<", mysql(1, named(b"x")), mysql(2, b"\x01\x04")], False, "a check has no password"),
    "mysql, endless switching": (
        lambda: MysqlCheck("x"),
        [MYSQL, "<", mysql(1, named(b"x")), mysql(2, b"\xfex\0"), "<", mysql(3, b""), mysql(4, b"\xfex\0")],
        False,
        "asks for more than a name",
    ),
    "mysql, an odd answer": (lambda: MysqlCheck("x"), [MYSQL, "<", mysql(1, named(b"x")), mysql(2, b"\x42")], False, 'answered with "B"'),
    "mysql before there were plugins": (
        lambda: MysqlCheck("x"),
        [ANCIENT, "<", mysql(1, struct.pack("<IIB23x", 0x8201, 0xFFFFFF, 33) + b"x\0\0"), mysql(2, OK)],
        True,
        'MySQL "5.0.96" has begun a session',
    ),
    "mysql that is full": (lambda: MysqlCheck(""), [mysql(0, b"\xff\x10\x04Too many connections")], False, 'error 1040: "Too many connections"'),
    "mysql that locks us out": (lambda: MysqlCheck("x"), [mysql(0, b"\xff\x69\x04Host 'x' is blocked")], False, "error 1129"),
    "mysql that is none": (lambda: MysqlCheck(""), [b"HTTP/1.1 400 Bad\r\n"], False, "no valid MySQL answer (it begins with"),
    "mysql of another age": (lambda: MysqlCheck(""), [mysql(0, b"\x093.23\0" + b"x" * 30)], False, "its greeting begins with"),
    "mysql with a short greeting": (lambda: MysqlCheck("x"), [mysql(0, b"\x0a8.0\0xx")], False, "its greeting begins with"),
    "mysql with an empty packet": (lambda: MysqlCheck(""), [b"\0\0\0\0"], False, "no valid MySQL answer"),
    "mysql that breaks off": (lambda: MysqlCheck(""), [MYSQL[:30]], False, "the connection was closed after"),
    "postgresql": (lambda: PostgresqlCheck(""), [b"N"], True, "PostgreSQL answers, without TLS"),
    "postgresql with tls": (lambda: PostgresqlCheck(""), [b"S"], True, "PostgreSQL answers, with TLS"),
    "postgresql that is none": (lambda: PostgresqlCheck(""), [b"HTTP/1.1 400"], False, "no valid PostgreSQL answer (it begins with"),
    "postgresql that cannot fork": (lambda: PostgresqlCheck(""), [b"Ecould not fork: no memory\n\0"], False, 'says "could not fork: no memory"'),
    "postgresql, a session": (lambda: PostgresqlCheck("x"), [b"R\0\0\0\x08\0\0\0\0"], True, "PostgreSQL has begun a session"),
    "postgresql, a password": (lambda: PostgresqlCheck("x"), [b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"], True, "PostgreSQL asks who it is"),
    "postgresql that starts": (
        lambda: PostgresqlCheck("x"),
        [refused((b"S", b"FATAL"), (b"C", b"57P03"), (b"M", b"the database system is starting up"))],
        False,
        'PostgreSQL says 57P03: "the database system is starting up"',
    ),
    "postgresql with an odd refusal": (lambda: PostgresqlCheck("x"), [refused()], False, "PostgreSQL says : "),
    "postgresql with an odd method": (lambda: PostgresqlCheck("x"), [b"R\xff\xff\xff\xff\0\0\0\0"], False, "no valid PostgreSQL answer"),
    "postgresql that says N to a session": (lambda: PostgresqlCheck("x"), [b"N"], False, "no valid PostgreSQL answer"),
    "postgresql that breaks off": (lambda: PostgresqlCheck("x"), [b"R\0\0\0"], False, "the connection was closed after"),
    "ldap": (LdapCheck, [LDAP_OK], True, "LDAP took an anonymous bind"),
    "ldap with long lengths": (LdapCheck, [bytes.fromhex("3084000000120201016184000000090a0100040004008700")], True, "LDAP took"),
    "ldap that refuses": (
        LdapCheck,
        [bytes.fromhex("301102010161 0c0a01300400040568656c6c6f")],
        False,
        'result 48 (anonymous binds are refused): "hello"',
    ),
    "ldap that says goodbye": (LdapCheck, [bytes.fromhex("300c02010078070a013404000400")], False, "LDAP says result 52 (unavailable)"),
    "ldap that is none": (LdapCheck, [b"HTTP/1.1 400"], False, "no valid LDAP answer (it begins with"),
    "ldap with a long answer": (LdapCheck, [bytes.fromhex("3083ffffff020101")], False, "it claims to have 16777215 bytes"),
    "ldap without a length": (LdapCheck, [bytes.fromhex("3080020101")], False, "no valid LDAP answer"),
    "ldap with another answer": (LdapCheck, [bytes.fromhex("300c02010165070a010004000400")], False, "no valid LDAP answer"),
    "ldap with a torn answer": (LdapCheck, [bytes.fromhex("300402010161")], False, "no valid LDAP answer"),
    "ldap that breaks off": (LdapCheck, [LDAP_OK[:9]], False, "the connection was closed after"),
    "smtp": (
        lambda: SmtpCheck("lb"),
        [b"220-one\r\n220-two\r\n220 three\r\n", "<", b"EHLO lb\r\n", b"250-mail hello\r\n250-SIZE 1\r\n250 HELP\r\n"],
        True,
        'SMTP says "250-mail hello"',
    ),
    "smtp of old": (lambda: SmtpCheck("lb"), [GREETING, "<", b"EHLO lb\r\n", b"502 no\r\n", "<", b"HELO lb\r\n", b"250\n"], True, 'SMTP says "250"'),
    "smtp that refuses both": (
        lambda: SmtpCheck("lb"),
        [GREETING, "<", b"EHLO lb\r\n", b"550-go\r\n550 away\r\n", "<", b"HELO lb\r\n", b"550 no\r\n"],
        False,
        'SMTP says "550 no", expected 250',
    ),
    "smtp that is busy": (lambda: SmtpCheck("lb"), [b"421 later\r\n"], False, 'SMTP says "421 later", expected 220'),
    "smtp that is busy later": (lambda: SmtpCheck("lb"), [GREETING, "<", b"EHLO lb\r\n", b"421 later\r\n"], False, '"421 later", expected 250'),
    "smtp that is none": (lambda: SmtpCheck("lb"), [b"SSH-2.0-x\r\n"], False, 'it says "SSH-2.0-x", which has no code of three digits'),
    "smtp that breaks off": (lambda: SmtpCheck("lb"), [b"220-mail\r\n220"], False, 'the connection was closed after "220"'),
    "smtp that ends after the greeting": (lambda: SmtpCheck("lb"), [GREETING, "<", b"EHLO lb\r\n"], False, "the connection was closed without one"),
    "agent": (lambda: AgentQuestion(""), [b"up 75%\n"], True, '"up 75%"'),
    "agent that leaves": (lambda: AgentQuestion(""), [b"drain"], True, '"drain"'),
    "agent with nothing to say": (lambda: AgentQuestion(""), [b" \r\n"], False, "no valid agent's answer (it is an empty line)"),
    "agent that leaves at once": (lambda: AgentQuestion(""), [b""], False, "no valid agent's answer (the connection was closed without one)"),
    "agent that talks": (lambda: AgentQuestion(""), [b"x" * 2000], False, "without an end"),
}


def held(conversation, heard, size):
    """What comes out of a conversation that is heard in pieces of so many bytes, and what was said in it."""
    said = []
    content = b""
    for piece in heard:
        if piece == "<":
            continue
        if said and said[-1] == piece:
            continue
        content = piece
        for at in range(0, len(content), size):
            step = conversation.feed(content[at : at + size])
            while isinstance(step, bytes):
                said.append(step)
                step = conversation.feed(b"")
            if step is not None:
                return step, said
    return conversation.end(), said


@pytest.mark.parametrize("case", CASES)
def test_an_answer_means_the_same_in_whatever_pieces_it_comes(case):
    made, heard, passes, words = CASES[case]
    expected = [heard[at + 1] for at, piece in enumerate(heard) if piece == "<"]
    for size in (1, 2, 3, 7, 5000):
        (passed, told), said = held(made(), heard, size)
        assert passed == passes, (size, told)
        assert said == expected, size
        if size >= 7:  # what does not begin well is refused before it is all there
            assert words in told, (size, told)
        assert "\n" not in told
        assert told.isprintable()


def test_what_is_said_first_and_last_is_what_servers_know():
    assert RedisCheck("any").opening == b"*1\r\n$4\r\nPING\r\n"
    assert RedisCheck("master").opening.endswith(b"INFO\r\n$11\r\nreplication\r\n")
    assert (MysqlCheck("").opening, SmtpCheck("x").opening, AgentQuestion("").opening) == (b"", b"", b"")
    assert PostgresqlCheck("").opening == bytes.fromhex("0000000804d2162f")
    assert PostgresqlCheck("anna").opening[:18] == b"\0\0\0\x38\0\x03\0\0user\0anna\0"
    assert len(PostgresqlCheck("anna").opening) == 0x38
    assert LdapCheck().opening == bytes.fromhex("300c020101600702010304008000")
    assert AgentQuestion("shop").opening == b"shop\n"
    check = MysqlCheck("x")
    held(check, CASES["mysql, a session"][1], 5000)
    assert check.farewell == b"\x01\0\0\0\x01"
    assert (LdapCheck.farewell, SmtpCheck.farewell) == (bytes.fromhex("30050201024200"), b"QUIT\r\n")


MADE = {
    "redis": lambda: RedisCheck("master"),
    "mysql": lambda: MysqlCheck("x"),
    "postgresql": lambda: PostgresqlCheck("x"),
    "ldap": LdapCheck,
    "smtp": lambda: SmtpCheck("x"),
    "agent": lambda: AgentQuestion(""),
}


@pytest.mark.parametrize("kind", MADE)
def test_nothing_that_a_server_can_say_breaks_a_check(kind):
    chance = random.Random(11)
    seeds = [b"".join(piece for piece in heard if piece != "<") for name, (_made, heard, *_rest) in CASES.items() if name.startswith(kind[:4])]
    for _try in range(3000):
        content = bytearray(chance.choice(seeds))
        for _change in range(chance.randint(1, 5)):
            at = chance.randint(0, len(content))
            content[at : at + chance.randint(0, 3)] = bytes(chance.randrange(256) for _byte in range(chance.randint(0, 3)))
        (passed, told), _said = held(MADE[kind](), [bytes(content)], chance.choice((1, 5, 5000)))
        assert isinstance(passed, bool), content
        assert told.isprintable(), content


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize(
    "flood",
    [
        b"\0" * 4096,
        b"\n" * 4096,
        b"+PONG\r\n$65000\r\n" + b"x" * 4096,
        b"250-x\r\n" * 600,
        b"220-x\r\n" * 600,
        b"E" * 4096,
        b"0\x83\0\xff\xff" + b"x" * 4096,
    ],
)
def test_a_flood_is_refused_before_more_than_the_limit_is_kept(kind, flood):
    conversation = MADE[kind]()
    verdict = None
    for _piece in range(2 * ANSWER_BYTES_MAX // len(flood) + 2):
        verdict = conversation.feed(flood)
        assert len(conversation._buffer) <= ANSWER_BYTES_MAX + len(flood)
        if isinstance(verdict, tuple):
            break
    assert isinstance(verdict, tuple)
    assert not verdict[0] or kind == "agent"  # which takes any line, and understands none of its words


@run
async def test_silence_and_a_half_closed_connection_are_failed_checks_in_words():
    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError):
            if ends:
                writer.write_eof()
            await reader.read(-1)
            writer.close()

    for ends, words in ((False, "no answer within 100 ms"), (True, "(the connection was closed without one)")):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for kind in ("http", "redis", "mysql", "postgresql", "ldap", "smtp"):
            before = len(asyncio.all_tasks())
            began = time.monotonic()
            passed, said = await probe(Target("127.0.0.1", port, HealthCheck(type=kind, timeout_ms=100 if not ends else 5000)))
            assert not passed
            assert words in said, (kind, said)
            assert time.monotonic() - began < 5
            assert len([task for task in asyncio.all_tasks() if "serve" not in repr(task)]) <= before
        server.close()


@run
async def test_a_server_that_never_stops_talking_is_given_up_at_the_limit_or_in_time():
    async def serve(_reader, writer):
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"220-more\r\n" * 1000)
                await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for kind in ("http", "redis", "mysql", "postgresql", "ldap", "smtp"):
        passed, said = await probe(Target("127.0.0.1", port, HealthCheck(type=kind, timeout_ms=500)))
        assert not passed
        assert "no valid" in said or said == "no answer within 500 ms"
    server.close()


def test_an_agents_words_add_up():
    now = Advice()
    for line, words, odd in (
        ("75%", "ready 75%", None),
        ("up", "ready 75%", None),
        ("drain, 50%\tmaxconn:30", "drain 50% maxconn:30", None),
        ("DOWN #disk is full, 0% left", "down (disk is full, 0% left) drain 50% maxconn:30", None),
        ("ready", "down (disk is full, 0% left) ready 50% maxconn:30", None),
        ("up 100% maxconn:0", "ready 100% maxconn:0", None),
        ("stopped", "down ready 100% maxconn:0", None),
        ("fail # \x1b[31m\xff", "down (\\x1b[31m\\xff) ready 100% maxconn:0", None),
        ("up 99999999% sideways -5% maxconn: 7.5%", "ready 25600% maxconn:0", "sideways -5% maxconn: 7.5%"),
        ("", "ready 25600% maxconn:0", None),
    ):
        now, unknown = advised(now, line)
        assert (now.words, unknown) == (words, odd), line
