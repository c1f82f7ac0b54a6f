"""The options of who may come in and where requests go: what is read, what is kept secret, and what is refused with its way out."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tandem import _model as model
from tests.unit.plugins.module_utils.test_frontend_options import document, rules_broken, web

SCRYPT = "$scrypt$ln=14,r=8,p=1$" + "c2FsdHNhbHRzYWx0$" + base64.b64encode(b"h" * 32).decode().rstrip("=")
ANN = {"name": "ann", "password_hash": SCRYPT}


def routes(**route):
    return {"routes": [{"backend": "shop", **route}]}


def acl(**options):
    return {"acls": [options]}


REFUSED = {
    "nothing to go to": ({"routes": [{"host": "a.test"}]}, "routes[0].backend is not given, so the requests that match have nowhere to go"),
    "two ways to go": (routes(backends=[{"backend": "shop"}]), 'routes[0].backend is "shop", but backends are given too'),
    "no weight": ({"routes": [{"backends": [{"backend": "shop", "weight": 0}]}]}, "but each has weight 0"),
    "an unknown share": (
        {"routes": [{"backends": [{"backend": "shopp"}]}]},
        'routes[0].backends[shopp] is "shopp", but load balancer "edge" has no such backend',
    ),
    "case of no path": (routes(ignore_case=True), "routes[0].ignore_case is true, but no path is compared"),
    "a host and those below another": (routes(host="a.test", subdomains="b.test"), "but host: a.test is one host"),
    "a path and a prefix": (routes(path="/a", path_prefix="/b"), "but path: /a is one path"),
    "no header's name": (routes(headers=[{"name": "a b"}]), 'routes[0].headers[0].name is "a b", which is not a name that headers have'),
    "two comparisons in one": (
        routes(query=[{"name": "a", "value": "b", "prefix": "c"}]),
        'routes[0].query[0].prefix is "c", but value is given too',
    ),
    "too many networks": (
        acl(sources=[f"10.{n >> 8}.{n & 255}.0/24" for n in range(10_001)]),
        'acls[0].sources is "10001 networks", but 10000 are the most',
    ),
    "an inverse of nothing": (acl(invert=True), "acls[0].invert is true, but there are no conditions, so it would never count"),
    "a status for those let in": (acl(action="allow", status=404), "acls[0].status is 404, but action: allow does not answer with it"),
    "a redirect to nowhere": (acl(action="redirect"), "acls[0].redirect is not given, so clients would be sent where they come from"),
    "a redirect that is none": (acl(redirect={"host": "b.test"}), 'acls[0].redirect is "given", but action: deny sends nobody elsewhere'),
    "a code of no redirect": (
        acl(action="redirect", redirect={"host": "b.test", "code": 304}),
        "acls[0].redirect.code is 304, which is none of 301, 302",
    ),
    "a prefix in place of none": (acl(action="redirect", redirect={"path_prefix": "/b"}), "but there is no path_prefix whose place it could take"),
    "two paths to go to": (
        acl(action="redirect", path_prefix="/a", redirect={"path_prefix": "/b", "path": "/c"}),
        'acls[0].redirect.path_prefix is "/b", but path is given too',
    ),
    "nobody let in": ({"acl_default": "deny"}, 'acl_default is "deny", but no ACL lets anybody in'),
    "a tarpit's time without one": ({"timeouts": {"tarpit": "5s"}}, 'timeouts.tarpit is "5s", but no ACL has action: tarpit'),
    "a realm for nobody": ({"basic_auth": {"realm": "x"}}, 'basic_auth.realm is "x", but without users nobody is asked for a password'),
    "a request's condition on TCP": (
        {"protocol": "tcp", "acls": [{"path": "/a", "sources": ["10.0.0.0/8"]}]},
        'acls[0].path is "/a", but a TCP frontend sees no requests',
    ),
    "a redirect on TCP": ({"protocol": "tcp", "acls": [{"action": "redirect"}]}, "but TCP clients can be let in or turned away, and nothing else"),
    "a status on TCP": ({"protocol": "tcp", "acls": [{"status": 404}]}, "but TCP has no answer to say it in"),
    "a password on TCP": ({"protocol": "tcp", "basic_auth": {"users": [ANN]}}, 'basic_auth is "ann", but TCP has no requests'),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_do_nothing_or_lead_nowhere_is_refused(case):
    options, said = REFUSED[case]
    problems = rules_broken(web(**options))
    assert [problem for problem in problems if said in problem], problems


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (routes(path_regex="(a)\\1"), "a backreference"),
        (routes(path_regex="("), "not a regular expression"),
        (routes(headers=[{"name": "x", "regex": ".*a.{30}"}]), "too large"),
        (routes(path_prefix="/a?b"), "Leave out the query"),
        (routes(path="a"), "which is not a path"),
        (routes(subdomains="192.0.2.1"), "but an address has no names below it"),
        (routes(subdomains="*.a.test"), 'but it is the domain whose names are meant. Give "a.test"'),
        (routes(host="*.a.test"), 'Use subdomains: "a.test"'),
        (routes(host_label="a.b"), "not one label"),
        (routes(methods=["GE T"]), "which is not a method"),
        (routes(sources=["10.0.0.1/8"]), "which names a host and not its network"),
        (acl(status=200), "which is outside 400 to 599"),
        (acl(action="redirect", redirect={"path": "/a\r\nSet-Cookie: x"}), "which is not a path"),
        (acl(action="redirect", redirect={"host": "a.test\r\n"}), "which is not a host name"),
        (acl(action="redirect", redirect={"host": "a.test/x"}), "which is not a host name"),
        ({"basic_auth": {"users": [{**ANN, "name": "a:b"}]}}, "which is not a user's name"),
        ({"basic_auth": {"users": [ANN], "realm": 'a"b'}}, "which is not a line that browsers show"),
        ({"basic_auth": {"users": [ANN, ANN]}}, "which is the name of two members"),
    ],
)
def test_a_value_that_is_none_is_refused_when_it_is_read(options, said):
    with pytest.raises(model.ModelError) as refused:
        web(**options)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("sesame", "which is no hash of a password"),
        ("$2y$10$abcdefghijklmnopqrstuv", "which is bcrypt, and Python's standard library has none"),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "guessed too fast"),
        ("$apr1$abc$def", "guessed too fast"),
        ("$6$salt$hash", "cannot verify"),
        ("$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0$aGhoaGhoaGhoaGhoaGhoaGhoaGg", "costs too little"),
        ("$scrypt$ln=25,r=8,p=1$c2FsdHNhbHRzYWx0$aGhoaGhoaGhoaGhoaGhoaGhoaGg", "costs too little to be safe, or too much"),
        ("$pbkdf2-sha256$999$c2FsdHNhbHRzYWx0$aGhoaGhoaGhoaGhoaGhoaGhoaGg", "costs too little"),
        ("$pbkdf2-sha256$29000$c2Fs$aGhoaGhoaGhoaGhoaGhoaGhoaGg", "whose salt or hash is too short"),
        ("$pbkdf2-sha256$29000$c2FsdHNhbHRzYWx0x$aGhoaGhoaGhoaGhoaGhoaGhoaGg", "not base64"),
    ],
)
def test_a_hash_that_is_weak_or_cannot_be_verified_is_refused_and_never_shown(given, said):
    with pytest.raises(model.ModelError) as refused:
        web(basic_auth={"users": [{"name": "ann", "password_hash": given}]})
    assert said in str(refused.value)
    assert "(hidden)" in str(refused.value)
    assert given not in str(refused.value)


def test_a_hash_as_passlib_writes_it_is_verified():
    salt, password = b"0123456789abcdef", b"correct horse"
    made = {
        "scrypt$ln=14,r=8,p=1": hashlib.scrypt(password, salt=salt, n=1 << 14, r=8, p=1, maxmem=1 << 26, dklen=32),
        "pbkdf2-sha256$29000": hashlib.pbkdf2_hmac("sha256", password, salt, 29_000, 32),
        "pbkdf2-sha512$25000": hashlib.pbkdf2_hmac("sha512", password, salt, 25_000, 64),
    }
    for head, digest in made.items():
        encoded = [base64.b64encode(part).decode().rstrip("=").replace("+", ".") for part in (salt, digest)]
        read = model.read_hash("$".join(["", head, *encoded]))
        assert read.verify(password), head
        assert not read.verify(b"correct horsf"), head


def test_what_the_how_to_says_makes_a_hash_that_is_taken():
    page = (Path(__file__).resolve().parents[4] / "docs/how-to/access.md").read_text()
    (program,) = re.findall(r"python3 -c '(.+?)'\n```", page, re.DOTALL)
    program = program.replace("getpass.getpass()", "'sesame'")
    made = model.read_hash(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip())
    assert made.verify(b"sesame")


def test_hashes_are_kept_as_secrets_are_and_the_document_has_their_fingerprints():
    secrets = {}
    given = {"load_balancer": "edge", "name": "web", "port": 80, "default_backend": "shop", "basic_auth": {"users": [ANN]}}
    frontend = model.from_options(model.Frontend, given, secrets=secrets)
    assert len(secrets) == 1
    mark = next(iter(secrets))
    assert mark.startswith(model.PRIVATE_KEY)  # the proxy's folder
    assert secrets[mark] == SCRYPT
    stored = json.dumps(model.to_stored(frontend))
    assert SCRYPT not in stored
    assert mark in stored
    assert model.to_options(frontend)["basic_auth"]["users"] == [{"name": "ann", "password_hash": mark}]
    assert document(frontend).secrets == {mark}
    spec = model.argument_spec(model.Frontend)["basic_auth"]["options"]["users"]["options"]
    assert spec["password_hash"]["no_log"] is True
    kept = model.from_options(model.Frontend, {"load_balancer": "edge", "name": "web", "basic_auth": {"users": [{"name": "ann"}]}}, frontend)
    assert kept == frontend


def test_a_document_of_a_former_release_has_none_of_it():
    stored = model.to_stored(web(routes=[{"host": "a.test", "path_prefix": "/x", "backend": "shop"}]))
    for name in ("acls", "acl_default", "basic_auth"):
        del stored[name]
    del stored["timeouts"]["tarpit_ms"]
    stored["routes"] = [{"backend": "shop", "host": "a.test", "path_prefix": "/x", "sni": ""}]
    assert model.from_stored(model.Frontend, stored) == web(routes=[{"host": "a.test", "path_prefix": "/x", "backend": "shop"}])


def test_what_is_stated_is_stored_and_read_again():
    whole = web(
        routes=[
            {"subdomains": "Example.COM", "methods": ["post", "PUT"], "backends": [{"backend": "shop", "weight": 95}, {"backend": "canary"}]},
            {"path_regex": "[.]php$", "ignore_case": True, "cookies": [{"name": "a", "regex": "^b"}], "backend": "shop"},
        ],
        acls=[{"sources": ["10.0.0.0/8", "192.0.2.1"], "invert": True, "action": "tarpit", "status": 404}],
        basic_auth={"users": [ANN], "path_prefix": "/admin"},
    )
    assert whole.routes[0].subdomains == "example.com"
    assert whole.routes[0].methods == ("POST", "PUT")
    assert whole.backends == {"edge/shop", "edge/canary"}
    assert model.from_stored(model.Frontend, json.loads(json.dumps(model.to_stored(whole)))) == whole


def test_users_are_bounded():
    users = tuple(model.User(f"u{number}", f"key-{number}") for number in range(201))
    (problem,) = rules_broken(dataclasses.replace(web(), basic_auth=model.BasicAuth(users=users)))
    assert 'basic_auth.users is "201 users", but 200 are the most' in problem


def test_a_frontend_that_only_redirects_needs_no_backend():
    only = {"default_backend": "", "acls": [{"action": "redirect", "redirect": {"host": "new.test"}}]}
    assert rules_broken(web(**only)) == []
    assert "there are no routes either" in rules_broken(web(default_backend="", acls=[{"sources": ["10.0.0.0/8"]}]))[0]
