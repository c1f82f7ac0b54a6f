"""What fuzzing has found holds, without a fuzzer; and what the targets ask for can fail."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from tandem._model._x509 import Certificate
from tandem.wire.dns import Reply
from tests.fuzz import corpus, targets
from tests.fuzz.__main__ import NAMES

SHOP = Certificate("CN=shop\nERROR", "CN=us", (), 0, 0, "", b"", b"")
OTHER_OPTIONS = ("authorities", "revocations", "private_key", "chain_shown", "authorities_shown", "revocations_shown")


@pytest.mark.parametrize("name", NAMES)
def test_what_must_hold_holds_for_all_that_the_corpus_keeps(name):
    inputs = corpus.read(name)
    assert len(inputs) > 4
    for data in [b"", *inputs, *(data[: len(data) // 2] for data in inputs)]:
        targets.TARGETS[name](data)


def test_every_target_has_a_corpus_and_is_run():
    assert set(NAMES) == set(targets.TARGETS) == {path.stem for path in corpus.path_of("x").parent.glob("*.txt")}


@pytest.mark.parametrize(
    ("name", "broken", "how"),
    [
        ("requests", "request_head", lambda *given: targets_request_head(*given).replace(b"\r\n", b"\r\nTransfer-Encoding: chunked\r\n", 1)),
        ("responses", "response_head", lambda *given: b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
        ("chunked_bodies", "leniently", lambda data: b"something else"),
        ("client_hellos", "hello_in", lambda pieces: targets.Hello("a..b", (), (0x0303,))),
        ("client_hellos", "openssl_name", lambda data: "other.test"),
        ("dns_replies", "read_reply", lambda *given: Reply(0, False, ("::1", "192.0.2.1"), 0, b"", None, referral=False)),
        ("checks", "verdict_in", lambda _check, pieces: (len(pieces) > 1, "")),
        ("proxy_headers", "write_v2", lambda *given: targets.write_v1("192.0.2.1", 1, "192.0.2.2", 2)),
        ("certificates", "read", lambda reader, data, holds: holds(SHOP) if reader is targets.x509.read_certificate else None),
        ("pem_texts", "pem", SimpleNamespace(chain=lambda text: text + "x", **dict.fromkeys(OTHER_OPTIONS, lambda text: ""))),
    ],
)
def test_a_target_notices_what_does_not_hold(monkeypatch, name, broken, how):
    monkeypatch.setattr(sys.modules[targets.TARGETS[name].__module__], broken, how)
    with pytest.raises((AssertionError, targets.BadMessage)):
        for data in corpus.read(name):
            targets.TARGETS[name](data)


targets_request_head = targets.request_head
