"""Basic authentication in the engine: who comes in, what is remembered, and that nobody waits while a password is verified."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import threading

import pytest

from tandem._model import Acl, BasicAuth, PasswordHash, User
from tandem.proxy import verifier
from tests.support.proxy_lab import Lab, in_lab, reset, until

SALT = b"saltsaltsalt"


def plain64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def scrypt(password: str) -> str:
    digest = hashlib.scrypt(password.encode(), salt=SALT, n=1 << 12, r=8, p=1, dklen=32)
    return f"$scrypt$ln=12,r=8,p=1${plain64(SALT)}${plain64(digest)}"


def pbkdf2(password: str) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), SALT, 10_000, 32)
    return f"$pbkdf2-sha256$10000${plain64(SALT)}${plain64(digest).replace('+', '.')}"


def basic(name: str, password: str) -> str:
    return f"Authorization: Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


async def serve(lab, *, frontend=None, **auth):
    """Ann comes in with "open", Bob with "sesame"."""
    lab.passwords = {"key-a": scrypt("open"), "key-b": pbkdf2("sesame")}
    users = (User("ann", "key-a"), User("b\u00f6b", "key-b"))
    origin = await lab.origin()
    await lab.serve(origin, frontend={"basic_auth": BasicAuth(users=users, realm="Our site", **auth), **(frontend or {})})
    return origin


@pytest.fixture
def verified(monkeypatch):
    """How often a hash was computed; a test may make it wait for an event."""
    verify, seen = PasswordHash.verify, []
    gate = threading.Event()
    gate.set()

    def counted(self, password):
        seen.append(password)
        assert gate.wait(10)
        return verify(self, password)

    monkeypatch.setattr(PasswordHash, "verify", counted)
    seen_and_gate = (seen, gate)
    yield seen_and_gate
    gate.set()


@in_lab
async def test_who_shows_a_users_password_comes_in_and_nobody_else(lab: Lab):
    origin = await serve(lab)
    client = await lab.client()
    response = await client.get()
    assert (response.status, response["www-authenticate"]) == (401, b'Basic realm="Our site", charset="UTF-8"')
    for name, password in (("ann", "open"), ("b\u00f6b", "sesame")):
        assert (await client.get("/", basic(name, password))).status == 200
    wrong = [basic("ann", "Open"), basic("ann", "sesame"), basic("ann", ""), basic("eve", "open"), basic("ann", "o" * 2000)]
    wrong += ["Authorization: Basic ann:open", "Authorization: Bearer x", "Authorization: Basic YW5u", "Authorization: Basic"]
    for shown in wrong:
        assert (await client.get("/", shown)).status == 401, shown
    assert (await client.get("/", basic("ann", "open"), basic("ann", "open"))).status == 401  # which of them would a server take?
    assert len(origin.requests) == 2
    assert lab.web["unauthorized"] == 1 + len(wrong) + 1


@in_lab
async def test_a_password_is_verified_once_and_so_is_a_wrong_one(lab: Lab, verified):
    seen, _gate = verified
    await serve(lab)
    for _connection in range(3):
        client = await lab.client()
        for _turn in range(3):
            assert (await client.get("/", basic("ann", "open"))).status == 200
            assert (await client.get("/", basic("ann", "guess"))).status == 401
    assert sorted(seen) == [b"guess", b"open"]


@in_lab
async def test_others_are_served_while_a_password_is_verified(lab: Lab, verified):
    _seen, gate = verified
    await serve(lab, path_prefix="/admin")
    gate.clear()
    client = await lab.client()
    body = b"x" * 200_000
    client.send(b"POST /admin HTTP/1.1\r\nHost: a\r\n%b\r\nContent-Length: %d\r\n\r\n%b" % (basic("ann", "open").encode(), len(body), body))
    await until(lambda: lab.context.verifier.waiting == 1)
    assert (await (await lab.client()).get("/shop")).status == 200
    gate.set()
    assert (await client.response()).body == b"POST /admin"
    assert lab.origins[0].requests[-1].body == body
    assert (await client.get("/admin", basic("ann", "open"))).status == 200


@in_lab
async def test_who_leaves_while_its_password_is_verified_is_forgotten(lab: Lab, verified):
    _seen, gate = verified
    origin = await serve(lab)
    gate.clear()
    client = await lab.client()
    client.send(f"GET / HTTP/1.1\r\nHost: a\r\n{basic('ann', 'open')}\r\n\r\n".encode())
    await until(lambda: lab.context.verifier.waiting == 1)
    reset(client.writer)
    await until(lambda: not lab.connections())
    gate.set()
    await until(lambda: lab.context.verifier.waiting == 0)
    assert origin.requests == []


@in_lab
async def test_passwords_that_wait_to_be_verified_are_bounded(lab: Lab, verified, monkeypatch):
    _seen, gate = verified
    monkeypatch.setattr(verifier, "WAITING_MAX", 2)
    await serve(lab)
    gate.clear()
    waiting = [await lab.client() for _client in range(2)]
    for number, client in enumerate(waiting):
        client.send(f"GET / HTTP/1.1\r\nHost: a\r\n{basic('ann', f'guess {number}')}\r\n\r\n".encode())
    await until(lambda: lab.context.verifier.waiting == 2)
    assert (await (await lab.client()).get("/", basic("ann", "guess"))).status == 503
    gate.set()
    assert [(await client.response()).status for client in waiting] == [401, 401]


@in_lab
async def test_who_guesses_from_one_address_does_not_keep_others_waiting(lab: Lab, verified):
    _seen, gate = verified
    await serve(lab)
    gate.clear()
    waiting = [await lab.client() for _client in range(verifier.WAITING_OF_CLIENT_MAX)]
    for number, client in enumerate(waiting):
        client.send(f"GET / HTTP/1.1\r\nHost: a\r\n{basic('ann', f'guess {number}')}\r\n\r\n".encode())
    await until(lambda: lab.context.verifier.waiting == len(waiting))
    assert (await (await lab.client()).get("/", basic("ann", "guess"))).status == 503
    other = asyncio.ensure_future((await lab.client("127.0.0.2")).get("/", basic("ann", "open")))
    await until(lambda: lab.context.verifier.waiting == len(waiting) + 1)
    gate.set()
    assert (await other).status == 200
    assert {(await client.response()).status for client in waiting} == {401}
    assert (await (await lab.client()).get("/", basic("ann", "open"))).status == 200


@in_lab
async def test_a_password_that_cannot_be_verified_now_is_not_taken_for_a_wrong_one(lab: Lab, monkeypatch):
    def no_memory(_self, _password):
        raise MemoryError

    await serve(lab)
    client = await lab.client()
    with monkeypatch.context() as patched:
        patched.setattr(PasswordHash, "verify", no_memory)
        assert (await client.get("/", basic("ann", "open"))).status == 503
    assert (await (await lab.client()).get("/", basic("ann", "open"))).status == 200
    (logged,) = lab.broken
    assert "MemoryError" in logged, "why is in the log, and the worker goes on"
    lab.broken.clear()


@in_lab
async def test_the_access_log_names_who_came_in_and_nobody_else(lab: Lab):
    origin = await serve(lab, frontend={"access_log": "json"})
    client = await lab.client()
    for _turn in range(2):  # verified, and known
        assert (await client.get("/", basic("ann", "open"))).status == 200
    assert (await client.get("/", basic("ann", "wrong"))).status == 401
    assert [json.loads(line).get("user") for line in lab.lines] == ["ann", "ann", None]
    lab.passwords = {"key": scrypt("open")}
    auth = BasicAuth(users=(User("a b\u00e9", "key"),))
    await lab.serve(origin, frontend={"access_log": "common", "basic_auth": auth})
    assert (await (await lab.client()).get("/", basic("a b\u00e9", "open"))).status == 200
    assert lab.lines[-1].startswith("127.0.0.1 - a\\x20b\\xe9 [01/Jan/1970:00:00:00 +0000] ")


@in_lab
async def test_what_is_remembered_is_forgotten_with_a_new_password_and_only_then(lab: Lab, verified):
    seen, _gate = verified
    origin = await serve(lab)
    client = await lab.client()
    assert (await client.get("/", basic("ann", "open"))).status == 200
    await serve(lab, frontend={"via": False})
    assert (await client.get("/", basic("ann", "open"))).status == 200
    assert len(seen) == 1
    lab.passwords = {"key-a": scrypt("changed")}
    await lab.serve(origin, frontend={"basic_auth": BasicAuth(users=(User("ann", "key-a"),))})
    assert (await client.get("/", basic("ann", "open"))).status == 401
    assert (await client.get("/", basic("ann", "changed"))).status == 200


@in_lab
async def test_a_user_whose_hash_is_lost_cannot_come_in_and_neither_can_anybody_else(lab: Lab):
    origin = await lab.origin()
    await lab.serve(origin, frontend={"basic_auth": BasicAuth(users=(User("ann", "key-lost"),))})
    for fields in ([], [basic("ann", "open")], [basic("ann", "")]):
        assert (await (await lab.client()).get("/", *fields)).status == 401
    assert origin.requests == []


@in_lab
async def test_a_password_is_asked_for_where_the_conditions_say_so(lab: Lab):
    await serve(lab, path_prefix="/.well-known/", invert=True, frontend={"acls": (Acl(path="/never"),)})
    client = await lab.client()
    assert (await client.get("/.well-known/acme-challenge/x")).status == 200
    assert (await client.get("/.well-known/../x")).status == 401
    assert (await client.get("/")).status == 401
    assert (await client.get("/never", basic("ann", "open"))).status == 403


@in_lab
async def test_a_worker_can_end_while_passwords_wait(lab: Lab, verified):
    _seen, gate = verified
    await serve(lab)
    gate.clear()
    clients = [await lab.client() for _client in range(3)]
    for number, client in enumerate(clients):
        client.send(f"GET / HTTP/1.1\r\nHost: a\r\n{basic('ann', str(number))}\r\n\r\n".encode())
    await until(lambda: lab.context.verifier.waiting == 3)
    lab.engine.quiesce("cut")
    for client in clients:
        with contextlib.suppress(asyncio.IncompleteReadError):
            assert await client.reset() == b""
    gate.set()
