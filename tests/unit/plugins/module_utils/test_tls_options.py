"""The options of TLS in the model: what they are stored as, which go together, and what a former document had of them."""

from __future__ import annotations

import json

import pytest

from plugins.module_utils import _model as model
from plugins.module_utils._change import all_stated, removed
from tests.support.certificates import issued, revocations
from tests.support.objects import ALL, BACKEND, FRONTEND

AUTHORITY = issued("Our authority", authority=True)
SHOP = issued("shop.example.com", ("shop.example.com",))
SHOPS = {"load_balancer": "edge", "name": "shop", "certificate": SHOP.pem, "private_key": SHOP.key}
TCP = {**FRONTEND, "protocol": "tcp"}
MAIL = {**BACKEND, "name": "mail", "protocol": "tcp"}


def stated(frontend=None, backend=None, certificate=None, secrets=None):
    """The document of a whole load balancer with a certificate, in which some objects are others."""
    members = {
        **ALL,
        "certificates": [{**SHOPS, **(certificate or {})}],
        "backends": [BACKEND, {**MAIL, **(backend or {})} if (backend or {}).get("name") == "mail" else MAIL],
        "frontends": [{**FRONTEND, **(frontend or {})}],
    }
    if backend and "name" not in backend:
        members["backends"] = [{**BACKEND, **backend}, MAIL]
    return all_stated(model.Document(), members, {} if secrets is None else secrets, "merged")


def broken(**changes):
    return [str(problem) for problem in model.check_document(stated(**changes))]


def tls(**options):
    return {"tls": {"certificates": ["shop"], **options}}


ALLOWED = {
    "TLS that ends": {"frontend": tls(profile="modern", alpn=["http/1.1"], sni_strict=True, hsts="180d", hsts_subdomains=True)},
    "clients with certificates": {"frontend": tls(client_auth="optional", client_ca=AUTHORITY.pem, client_crl=revocations(AUTHORITY))},
    "TLS of TCP": {"frontend": {**TCP, "default_backend": "mail", **tls(alpn=["imap", "h2"])}},
    "a time for handshakes of TCP": {"frontend": {**TCP, "default_backend": "mail", "timeouts": {"request": "3s"}, **tls()}},
    "no protocol offered": {"frontend": tls(alpn=[])},
    "TLS that passes": {
        "frontend": {
            **TCP,
            "default_backend": "",
            "routes": [{"backend": "mail", "sni": name} for name in ("*.Example.org", "a.example.com")],
        }
    },
    "a redirect without backends": {"frontend": {"redirect_to_https": True, "default_backend": ""}},
    "a redirect but for ACME": {
        "frontend": {"redirect_to_https": True, "redirect_to_https_port": 8443, "redirect_except": ["/.well-known/acme-challenge/"]}
    },
    "servers over TLS": {"backend": {"tls": {"enabled": True, "ca": AUTHORITY.pem, "sni": "shop.internal.test", "client_certificate": "shop"}}},
    "checks over TLS alone": {"backend": {"tls": {"ca": AUTHORITY.pem}, "health_check": {"tls": "always"}}},
    "an address in the servers' certificates": {"backend": {"tls": {"enabled": True, "verify_name": "[2001:db8::7]"}}},
}

REFUSED = {
    "an unknown certificate": (
        {"frontend": {"tls": {"certificates": ["shopp"]}}},
        'frontend "edge/web": tls.certificates[0] is "shopp", but load balancer "edge" has no such certificate; known are "shop"; nearest is "shop".',
    ),
    "a certificate twice": ({"frontend": {"tls": {"certificates": ["shop", "shop"]}}}, 'tls.certificates[1] is "shop", which is in the list already'),
    "options of TLS without certificates": (
        {"frontend": {"tls": {"hsts": "180d", "sni_strict": True}}},
        'tls.hsts is "180d", but without tls.certificates there is no TLS. Name certificates, or clear all: tls: {}.',
    ),
    "clients of no authority": ({"frontend": tls(client_auth="required")}, "but no authority is given whose clients are let in"),
    "an authority that nobody is asked for": ({"frontend": tls(client_ca=AUTHORITY.pem)}, 'tls.client_ca is "(PEM)", but tls.client_auth: none asks'),
    "HTTP/2": ({"frontend": tls(alpn=["h2", "http/1.1"])}, 'tls.alpn[0] is "h2", but the proxy speaks http/1.1 and http/1.0 with clients'),
    "HSTS of TCP": ({"frontend": {**TCP, "default_backend": "mail", **tls(hsts="1d")}}, "TCP has no fields to say it in"),
    "names below without HSTS": ({"frontend": tls(hsts_subdomains=True)}, "without tls.hsts there is no such header"),
    "a redirect of HTTPS": ({"frontend": {"redirect_to_https": True, **tls()}}, "what comes here is HTTPS already"),
    "a redirect of TCP": ({"frontend": {**TCP, "default_backend": "mail", "redirect_to_https": True}}, "TCP has no requests"),
    "exceptions of no redirect": ({"frontend": {"redirect_except": ["/a"]}}, "without redirect_to_https nothing is sent elsewhere"),
    "a port of no redirect": ({"frontend": {"redirect_to_https_port": 8443}}, "redirect_to_https_port is 8443, but without redirect_to_https"),
    "exceptions that nobody takes": (
        {"frontend": {"redirect_to_https": True, "default_backend": "", "redirect_except": ["/a"]}},
        "but no backend takes these requests",
    ),
    "a name for requests": ({"frontend": {"routes": [{"backend": "shop", "sni": "a.test"}]}}, 'routes[0].sni is "a.test", but requests have a host'),
    "a host for TCP": (
        {"frontend": {**TCP, "default_backend": "mail", "routes": [{"backend": "mail", "host": "a.test", "sni": "a.test"}]}},
        'routes[0].host is "a.test", but a TCP frontend sees no requests. Use sni',
    ),
    "a route of TCP for all": ({"frontend": {**TCP, "default_backend": "", "routes": [{"backend": "mail"}]}}, "routes[0].sni is not given"),
    "routes where TLS of TCP ends": (
        {"frontend": {**TCP, "default_backend": "mail", "routes": [{"backend": "mail", "sni": "a.test"}], **tls()}},
        "a TCP frontend that ends TLS has nothing to choose by",
    ),
    "a route of TCP to a backend of HTTP": (
        {"frontend": {**TCP, "default_backend": "mail", "routes": [{"backend": "shop", "sni": "a.test"}]}},
        "whose protocol is http",
    ),
    "settings of no TLS to servers": ({"backend": {"tls": {"sni": "a.test"}}}, 'tls.sni is "a.test", but neither requests nor checks use TLS'),
    "an authority that nothing is compared with": (
        {"backend": {"tls": {"enabled": True, "verify": False, "ca": AUTHORITY.pem}}},
        'tls.ca is "(PEM)", but with tls.verify: false nothing is compared with it',
    ),
    "an unknown certificate for servers": (
        {"backend": {"tls": {"enabled": True, "client_certificate": "us"}}},
        'tls.client_certificate is "us", but load balancer "edge" has no such certificate',
    ),
    "TLS of no check": ({"backend": {"health_check": {"type": "none", "tls": "never"}}}, 'health_check.tls is "never", but health_check.type: none'),
}

UNREADABLE = {
    "a name that is an address": ({"backend": {"tls": {"sni": "192.0.2.7"}}}, "TLS names hosts and no addresses (RFC 6066 3)"),
    "a pattern for everything": ({"frontend": {"routes": [{"backend": "mail", "sni": "*.com"}]}}, "too wide for one site"),
    "a pattern within a name": ({"frontend": {"routes": [{"backend": "mail", "sni": "a.*.example.com"}]}}, "not a host name"),
    "a protocol with a blank": ({"frontend": tls(alpn=["http 1"])}, "not a protocol's name (RFC 7301)"),
    "an authority that is none": ({"frontend": tls(client_ca="ca.pem")}, 'tls.client_ca is "(PEM)", but no certificate in PEM is in it'),
    "a certificate for a revocation list": ({"frontend": tls(client_crl=AUTHORITY.pem)}, "but CERTIFICATE is in it"),
    "a key for an authority": ({"backend": {"tls": {"ca": SHOP.key}}}, "but a private key is in it"),
    "more certificates than a chain has": ({"certificate": {"certificate": SHOP.pem * 11}}, "which is 11 certificates"),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_goes_together_breaks_no_rule(case):
    assert broken(**ALLOWED[case]) == []


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_told_with_its_way_out(case):
    changes, said = REFUSED[case]
    told = broken(**changes)
    assert any(said in line for line in told), told


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_value_that_is_none_is_told_and_never_shown_in_pem(case):
    changes, said = UNREADABLE[case]
    with pytest.raises(model.ModelError) as told:
        stated(**changes)
    assert said in str(told.value)
    assert "-----BEGIN" not in str(told.value)


def test_the_document_has_every_option_written_out_and_is_read_again():
    whole = stated(**ALLOWED["clients with certificates"])
    stored = json.loads(json.dumps(whole.to_stored()))
    assert model.Document.from_stored(stored) == whole
    kept = stored["objects"]["certificates"]["edge/shop"]
    assert kept == {
        "load_balancer": "edge",
        "name": "shop",
        "certificate": SHOP.pem,
        "private_key": kept["private_key"],
        "certificate_path": "",
        "private_key_path": "",
        "watch": False,
    }
    assert kept["private_key"].startswith(model.PRIVATE_KEY)
    assert kept["private_key"] in whole.secrets


def test_a_former_document_has_no_certificates_and_no_tls():
    stored = json.loads(json.dumps(all_stated(model.Document(), ALL, {}, "merged").to_stored()))
    del stored["objects"]["certificates"]
    for backend in stored["objects"]["backends"].values():
        del backend["tls"], backend["health_check"]["tls"]
    for frontend in stored["objects"]["frontends"].values():
        for name in ("tls", "redirect_to_https", "redirect_to_https_port", "redirect_except"):
            del frontend[name]
    del stored["objects"]["load_balancers"]["edge"]["tls_profile"]
    assert model.Document.from_stored(stored) == all_stated(model.Document(), ALL, {}, "merged")


def test_a_key_goes_to_the_secrets_under_the_mark_that_the_document_has():
    secrets = {}
    whole = stated(secrets=secrets)
    assert secrets[whole.certificates["edge/shop"].private_key] == SHOP.key
    assert SHOP.key.splitlines()[1] not in json.dumps(whole.to_stored())


@pytest.mark.parametrize(
    ("options", "name", "asked", "verified"),
    [
        ({}, "app-1", "", "192.0.2.21"),
        ({}, "App-1.example.com", "app-1.example.com", "app-1.example.com"),
        ({}, "10.0.0.1", "", "192.0.2.21"),
        ({"sni": "shop.test"}, "app-1.example.com", "shop.test", "shop.test"),
        ({"sni": "shop.test", "verify_name": "other.test"}, "app-1", "shop.test", "other.test"),
        ({"verify_name": "192.0.2.99"}, "app-1.example.com", "app-1.example.com", "192.0.2.99"),
    ],
)
def test_the_names_that_a_server_is_asked_by_and_must_show(options, name, asked, verified):
    settings = model.from_options(model.BackendTls, {"enabled": True, **options})
    server = model.Server(name, "192.0.2.21")
    assert (settings.sni_of(server), settings.name_of(server)) == (asked, verified)


def test_checks_speak_tls_as_requests_do_unless_they_say_it_themselves():
    def speaks(enabled, check):
        return model.from_options(model.Backend, {**BACKEND, "tls": {"enabled": enabled}, "health_check": {"tls": check}}).checked_over_tls

    assert [speaks(enabled, check) for enabled in (True, False) for check in ("auto", "always", "never")] == [True, True, False, False, True, False]


def test_a_load_balancer_takes_its_certificates_with_it():
    whole = stated(**ALLOWED["servers over TLS"])
    assert removed(whole, "load_balancers", "edge", {"cascade": True}).certificates == {}
