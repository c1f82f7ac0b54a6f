"""The hashes of users' passwords on their way from their files to the workers of a real proxy."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import http.client

import pytest

from tandem._client import Refused
from tandem._model import BasicAuth, User
from tests.support.node import ADDRESS, backend, free_port, frontend

SALT = b"saltsaltsalt"
MARK = "key-0123456789abcdef"


def hashed(password: str) -> str:
    digest = hashlib.scrypt(password.encode(), salt=SALT, n=1 << 12, r=8, p=1, dklen=32)
    salt, content = (base64.b64encode(part).decode().rstrip("=") for part in (SALT, digest))
    return f"$scrypt$ln=12,r=8,p=1${salt}${content}"


def status(port: int, credentials: str) -> int:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=10)
    connection.request("GET", "/", headers={"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()})
    answer = connection.getresponse().status
    connection.close()
    return answer


def test_a_hash_reaches_the_workers_and_one_that_is_missing_is_told(node, shops):
    port = free_port()
    asking = dataclasses.replace(frontend(port), basic_auth=BasicAuth(users=(User("ann", MARK),)))
    node.start_proxy()
    with pytest.raises(Refused) as refused:
        node.load(backend(shops()), asking)
    assert 'basic_auth.users[ann].password_hash is "(hidden)", but the proxy cannot read it: No such file' in str(refused.value)
    node.store.write_secret(MARK, hashed("open"))
    assert node.load(backend(shops()), asking)["generation"] == node.generation
    assert [status(port, credentials) for credentials in ("ann:open", "ann:shut", "eve:open")] == [200, 401, 401]
    assert hashed("open") not in node.log.read_text()


def test_a_proxy_that_starts_without_a_hash_serves_and_lets_nobody_in(node, shops):
    port, other = free_port(), free_port()
    asking = dataclasses.replace(frontend(port), basic_auth=BasicAuth(users=(User("ann", MARK),)))
    node.write(backend(shops()), asking, frontend(other, "open"))
    node.start_proxy()
    assert status(port, "ann:open") == 401
    assert status(other, "") == 200
    assert "basic_auth.users[ann].password_hash" in node.log.read_text()
