"""TLS through the whole service: keys from where they lie on the node, refused with the reason, renewed while it runs, resumed at any worker."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from tandem._client import Refused
from tandem._model import Certificate, FrontendTls
from tests.support.node import ADDRESS, EDGE, backend, free_port, frontend, get, refuses, until
from tests.support.tls import client_side, pair


def keep_key(node, name, text):
    node.paths.keys.mkdir(parents=True, exist_ok=True)
    (node.paths.keys / name).write_text(text)


def site(node, shop, port, made, **certificate):
    """What a site over TLS consists of, with its key where it belongs."""
    keep_key(node, "f" * 64, made.key)
    stated = {"certificate": made.chain, "private_key": "f" * 64, **certificate}
    return EDGE, Certificate("edge", "shop", **stated), backend(shop), frontend(port, tls=FrontendTls(certificates=("shop",)))


def asked(port, session=None, name="shop.test", context=None):
    """The names of the certificate that is shown, whether the session was resumed, and the session."""
    context = context or client_side()
    with socket.create_connection((ADDRESS, port), timeout=5) as sock, context.wrap_socket(sock, server_hostname=name, session=session) as secret:
        secret.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        answer, names = b"", {value for _kind, value in secret.getpeercert()["subjectAltName"]}
        while piece := secret.recv(4096):
            answer += piece
        assert b" 200 " in answer, answer
        return names, secret.session_reused, secret.session


def test_a_site_is_served_over_tls_and_sessions_are_resumed_at_whichever_worker(node, shops):
    port, context = free_port(), client_side()
    node.start_proxy(workers=2)
    node.load(*site(node, shops(), port, pair("shop.test")))
    names, _reused, session = asked(port, context=context)
    assert names == {"shop.test"}
    assert [asked(port, session, context=context)[1] for _turn in range(12)] == [True] * 12
    shown = node.proxy.status()["frontends"]["edge/web"]
    assert (shown["handshakes"], shown["handshakes_resumed"]) == (13, 12)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("another key", "OpenSSL does not take it with its key"),
        ("no key", "No such file or directory"),
        ("no chain", "ends within a field"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_refused_with_the_reason_and_what_was_in_force_stays(node, shops, what, said):
    port, shop, good = free_port(), shops(), pair("shop.test")
    node.start_proxy()
    node.load(*site(node, shop, port, good))
    if what == "another key":
        bad = site(node, shop, port, pair("other.test"))
        keep_key(node, "f" * 64, good.key)
    elif what == "no key":
        bad = site(node, shop, port, good, private_key="e" * 64)
    else:
        bad = site(node, shop, port, good, certificate="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(Refused, match=said) as refused:
        node.load(*bad)
    assert 'certificate "edge/shop"' in str(refused.value)
    assert good.key.splitlines()[2] not in str(refused.value)
    assert asked(port)[0] == {"shop.test"}


def test_a_certificate_that_is_renewed_on_the_node_is_taken_up_by_itself_and_a_bad_one_is_not(node, shops, tmp_path):
    port, chain, key = free_port(), tmp_path / "fullchain.pem", tmp_path / "privkey.pem"

    def renew(made):
        for path, text in ((key, made.key), (chain, made.chain)):
            path.with_suffix(".new").write_text(text)
            os.replace(path.with_suffix(".new"), path)

    renew(pair("shop.test"))
    paths = {"certificate": "", "private_key": "", "certificate_path": str(chain), "private_key_path": str(key), "watch": True}
    process = node.start_proxy()
    node.load(*site(node, shops(), port, pair("shop.test"), **paths))
    assert asked(port)[0] == {"shop.test"}
    renew(pair("shop.test", "new.test"))
    process.send_signal(signal.SIGHUP)  # or it would take 20 s
    until(lambda: asked(port)[0] == {"shop.test", "new.test"})
    workers = [worker["pid"] for worker in node.proxy.status()["workers"]]
    chain.write_text("nothing")
    for pid in (*workers, process.pid):  # as "systemctl kill" sends it to all of a service
        os.kill(pid, signal.SIGHUP)
    until(lambda: "what was in use before stays in use" in node.log.read_text())
    assert asked(port)[0] == {"shop.test", "new.test"}
    assert [worker["pid"] for worker in node.proxy.status()["workers"]] == workers


def test_no_key_is_in_the_log_in_status_or_in_the_environment_of_a_process(node, shops):
    made, port = pair("shop.test"), free_port()
    process = node.start_proxy()
    node.load(*site(node, shops(), port, made))
    secret = made.key.splitlines()[1]
    assert secret not in node.log.read_text()
    assert secret not in str(node.proxy.status())
    workers = [worker["pid"] for worker in node.proxy.status()["workers"]]
    for pid in (process.pid, *workers):
        for file in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{file}", "rb") as shown:
                assert secret.encode() not in shown.read()


def test_a_certificate_that_was_broken_on_the_node_keeps_its_own_frontend_from_a_service_that_starts_and_no_other(node, shops, tmp_path):
    secret, plain, shop = free_port(), free_port(), shops()
    chain, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    made = pair("shop.test")
    chain.write_text(made.chain)
    key.write_text(made.key)
    paths = {"certificate": "", "private_key": "", "certificate_path": str(chain), "private_key_path": str(key), "watch": True}
    node.write(*site(node, shop, secret, made, **paths), frontend(plain, "plain"))
    chain.write_text("nothing")
    process = node.start_proxy()
    until(lambda: get(plain)[0] == 200)
    assert "not used until it is mended" in node.log.read_text()
    assert refuses(secret)
    shown = node.proxy.status()["frontends"]["edge/web"]
    assert shown["listening"] == []
    assert shown["problems"] == ['frontend "edge/web": none of its certificates can be used; the log of the proxy says why']
    chain.write_text(made.chain)
    process.send_signal(signal.SIGHUP)
    until(lambda: served(secret))
    assert asked(secret)[0] == {"shop.test"}
    assert node.proxy.status()["frontends"]["edge/web"]["problems"] == []


def test_one_certificate_that_is_broken_on_the_node_does_not_keep_another_from_being_renewed(node, shops, tmp_path):
    port, shop, files = free_port(), shops(), {}

    def renew(name, made):
        files[name] = (tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        for path, text in zip(files[name], (made.chain, made.key)):
            path.with_suffix(".new").write_text(text)
            os.replace(path.with_suffix(".new"), path)

    renew("one", pair("shop.test"))
    renew("two", pair("two.test"))
    certificates = [
        Certificate("edge", name, certificate_path=str(chain), private_key_path=str(key), watch=True) for name, (chain, key) in files.items()
    ]
    process = node.start_proxy()
    node.load(EDGE, *certificates, backend(shop), frontend(port, tls=FrontendTls(certificates=("one", "two"))))
    files["two"][1].write_text("nothing")
    renew("one", pair("shop.test", "new.test"))
    process.send_signal(signal.SIGHUP)
    until(lambda: asked(port)[0] == {"shop.test", "new.test"})
    assert 'certificate "edge/two"' in node.log.read_text()
    assert asked(port, name="two.test")[0] == {"two.test"}


def served(port):
    try:
        return asked(port)
    except OSError:
        return None
