"""The module certificate: what it refuses before anything changes, where keys lie, and what is shown of certificates."""

from __future__ import annotations

import grp
import os
import pwd
import tempfile
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from plugins.module_utils import _certificates
from plugins.module_utils._certificates import _closed_to
from tests.support.certificates import issued, key_pem, revocations
from tests.support.objects import ALL, BACKEND, FRONTEND

AUTHORITY = issued("Our authority", authority=True, ends=3000)
BETWEEN = issued("Between", by=AUTHORITY, authority=True, ends=1000)
SHOP = issued("shop.example.com", ("shop.example.com", "*.shop.example.com"), BETWEEN)
OTHER = issued("other.example.com", ("other.example.com",), AUTHORITY)
OVER = issued("over.example.com", ("over.example.com",), begins=-9, ends=-1)
SHORT = issued("short.example.com", ("short.example.com",), key=rsa.generate_private_key(65537, 1024))
CHAIN = SHOP.pem + BETWEEN.pem
KEY_LINES = [line for made in (SHOP, OTHER) for line in made.key.splitlines() if "-----" not in line]
_UNITS_GROUP = 1  # a group that everybody has and nobody is in
named = partial(dict, load_balancer="edge", name="shop")

REFUSED = {
    "a key of another certificate": (
        named(certificate=CHAIN, private_key=OTHER.key),
        ['certificate "edge/shop": private_key is "(hidden)", which is not the key of this certificate', "Give the key"],
    ),
    "a key of another kind": (named(certificate=CHAIN, private_key=SHORT.key), ["private_key", "is not the key of this certificate"]),
    "a chain in the wrong order": (
        named(certificate=BETWEEN.pem + SHOP.pem, private_key=SHOP.key),
        [
            'certificate is "(PEM)"',
            '1 ("CN=Between") was issued by "CN=Our authority"',
            'next one is "CN=shop.example.com"',
            "own certificate first",
        ],
    ),
    "a certificate that is over": (named(certificate=OVER.pem, private_key=OVER.key), ["certificate", "but it was valid until 20", "valid now"]),
    "an encrypted key": (
        named(certificate=CHAIN, private_key=key_pem(SHOP.private_key, passphrase=b"secret")),
        ["private_key", "it is encrypted", "openssl pkey", "Ansible Vault"],
    ),
    "a key encrypted in the old way": (
        named(certificate=CHAIN, private_key=key_pem(SHOP.private_key, "TraditionalOpenSSL", b"secret")),
        ["private_key", "it is encrypted"],
    ),
    "a key among the certificates": (
        named(certificate=CHAIN + SHOP.key, private_key=SHOP.key),
        ["a private key is in it", "as private_key"],
    ),
    "no PEM": (named(certificate="shop.pem", private_key=SHOP.key), ["certificate", "but no certificate in PEM is in it"]),
    "half a certificate": (named(certificate=CHAIN[:-100], private_key=SHOP.key), ["certificate", "cut off or damaged"]),
    "no key": (named(certificate=CHAIN), ["private_key is not given", "nobody can use a certificate without its key"]),
    "nothing at all": (named(), ["certificate is not given", "certificate_path"]),
    "a text and a path": (named(certificate=CHAIN, private_key=SHOP.key, certificate_path="/etc/shop.pem"), ["certificate_path", "Give one of them"]),
    "a key alone": (named(private_key=SHOP.key), ["private_key", "its certificate is not given"]),
    "a path without its key's": (named(certificate_path="/etc/shop.pem"), ["private_key_path is not given", "the same"]),
    "a relative path": (named(certificate_path="shop.pem", private_key_path="/x"), ["certificate_path", '"shop.pem"', "absolute path"]),
    "a file that is not there": (
        named(certificate_path="/none/x.pem", private_key_path="/none/x.key"),
        ["/none/x.pem", "No such file", "every node"],
    ),
    "nothing to watch": (named(certificate=CHAIN, private_key=SHOP.key, watch=True), ["watch is true", "no file of the node"]),
    "a file that the controller did not read": (
        named(certificate_file="shop.pem"),
        ["certificate_file", "controller has not read it", "full name"],
    ),
    "an unknown load balancer": ({**named(certificate=CHAIN, private_key=SHOP.key), "load_balancer": "egde"}, ['"egde"', 'nearest is "edge"']),
}


@pytest.fixture
def node(host, seed):
    seed(host, ALL)
    return host


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("check", [True, False], ids=["check", "apply"])
def test_what_cannot_be_used_is_refused_with_its_way_out_before_anything_changes(node, case, check):
    options, words = REFUSED[case]
    before = node.tree()
    answer = node.run("certificate", check=check, **options)
    assert answer.result.get("failed"), answer.output
    assert [word for word in words if word not in answer.result["msg"]] == [], answer.result["msg"]
    assert node.tree() == before
    assert not any(line in answer.output for line in KEY_LINES)


def test_what_openssl_finds_too_weak_is_refused_in_words(node):
    answer = node.run("certificate", **named(certificate=SHORT.pem, private_key=SHORT.key))
    assert "which is too short for OpenSSL on this node" in answer.result["msg"], answer.output


def test_the_key_lies_in_a_file_for_its_owner_alone_and_goes_with_the_certificate(node):
    keys = node.prefix / "etc/tandem/keys"
    stated = node.run("certificate", **named(certificate=CHAIN, private_key=SHOP.key)).result["object"]
    (file,) = keys.iterdir()
    assert (file.name, file.read_text()) == (stated["private_key"], SHOP.key)
    assert (file.stat().st_mode & 0o777, keys.stat().st_mode & 0o777) == (0o600, 0o700)
    renewed = issued("shop.example.com", ("shop.example.com",))
    node.run("certificate", **named(certificate=renewed.pem, private_key=renewed.key))
    assert [path.read_text() for path in keys.iterdir()] == [renewed.key]
    node.run("certificate", **named(state="absent"))
    assert list(keys.iterdir()) == []
    assert len(list((node.prefix / "etc/tandem/secrets").iterdir())) == 1, "the heartbeat's key is another's"


def test_no_key_is_in_any_file_of_the_node_but_its_own_and_none_in_any_output(node):
    outputs = [node.run("certificate", check=check, **named(certificate=CHAIN, private_key=SHOP.key)).output for check in (True, False)]
    outputs += [node.run("load_balancer_info").output, node.run("certificate", **named(certificate=CHAIN, private_key=OTHER.key)).output]
    outputs += [node.run("config", certificates=[named(private_key=OTHER.key, certificate=OTHER.pem)]).output]
    assert not any(line in output for output in outputs for line in KEY_LINES)
    holders = [path for path in node.prefix.rglob("*") if path.is_file() and any(line in path.read_text(errors="replace") for line in KEY_LINES)]
    assert {path.parent.name for path in holders} == {"keys"}


def test_a_certificate_is_shown_by_what_it_says_of_itself(node):
    answer = node.run("certificate", **named(certificate=f"a comment\r\n{CHAIN}", private_key=SHOP.key)).result
    shown = answer["object"]["certificate"]
    assert (shown["subject"], shown["names"], shown["issuer"]) == ("CN=shop.example.com", ["shop.example.com", "*.shop.example.com"], "CN=Between")
    assert shown["chain"][0].startswith("CN=Between, until 20")
    assert f'certificate "edge/shop" certificate.sha256: "{shown["sha256"]}"' in answer["diff"]["after"]
    assert "-----BEGIN" not in str(answer["diff"]) + str(answer["object"])


def test_a_renewed_certificate_is_a_change_whose_diff_says_what_differs(node):
    node.run("certificate", **named(certificate=CHAIN, private_key=SHOP.key))
    renewed = issued("shop.example.com", ("shop.example.com",), BETWEEN, ends=200, key=SHOP.private_key)
    answer = node.run("certificate", **named(certificate=renewed.pem + BETWEEN.pem))
    assert answer.result["changed"] is True, answer.output
    before, after = (set(answer.result["diff"][side].splitlines()) for side in ("before", "after"))
    differing = {line.split()[2].partition(":")[0] for line in before ^ after}
    assert differing == {"certificate.names", "certificate.not_after", "certificate.not_before", "certificate.sha256"}


def test_the_same_certificate_written_otherwise_is_no_change(node):
    node.run("certificate", **named(certificate=CHAIN, private_key=SHOP.key))
    other = CHAIN.replace("\n", "\r\n") + "\n# the end\n"
    again = node.run("certificate", **named(certificate=other, private_key=f"\n{SHOP.key}\n"))
    assert again.result["changed"] is False, again.output


def test_a_certificate_that_ends_soon_is_warned_of_also_when_it_stays_as_it_is(node):
    soon = issued("soon.example.com", ("soon.example.com",), ends=13)
    for changed in (True, False):
        answer = node.run("certificate", **named(certificate=soon.pem, private_key=soon.key)).result
        assert answer["changed"] is changed
        assert [line for line in answer["warnings"] if "for 12 days more. Renew it." in str(line)]


def test_a_certificate_in_force_that_is_over_by_now_holds_no_other_change_up(host, seed):
    seed(host, {**ALL, "certificates": [named(certificate=OVER.pem, private_key=OVER.key)]})
    answer = host.run("config", certificates=[named(certificate=OVER.pem, private_key=OVER.key)], backends=[{**BACKEND, "max_retries": 7}])
    assert answer.result["changed"] is True, answer.output
    assert [line for line in answer.result["warnings"] if "was valid until" in str(line)]


def test_a_certificate_for_no_name_is_warned_of_where_a_frontend_shows_it(node):
    nameless = issued("shop.example.com")
    tls = {**FRONTEND, "tls": {"certificates": ["shop"]}}
    answer = node.run("config", certificates=[named(certificate=nameless.pem, private_key=nameless.key)], frontends=[tls])
    assert [line for line in answer.result["warnings"] if "no subjectAltName" in str(line) and 'frontend "edge/web"' in str(line)], answer.output


def test_files_of_the_node_are_looked_at_and_shown_by_info(node, tmp_path):
    both = tmp_path / "both.pem"
    both.write_text(SHOP.key + CHAIN)
    paths = {"certificate_path": str(both), "private_key_path": str(both)}
    answer = node.run("certificate", **named(**paths, watch=True)).result
    assert answer["changed"] is True
    (told,) = node.run("load_balancer_info").result["load_balancers"][0]["certificates"]
    assert (told["certificate"]["subject"], told["days_left"], told["watch"]) == ("CN=shop.example.com", 89, True)
    both.write_text(OTHER.key + CHAIN)
    answer = node.run("certificate", **named(**paths)).result
    assert [line for line in answer["warnings"] if "is not the key of this certificate" in str(line)]
    both.unlink()
    (told,) = node.run("load_balancer_info").result["load_balancers"][0]["certificates"]
    assert told["days_left"] is None


def test_a_text_takes_the_place_of_paths_and_paths_that_of_a_text(node, tmp_path):
    both = tmp_path / "both.pem"
    both.write_text(SHOP.key + CHAIN)
    paths = {"certificate_path": str(both), "private_key_path": str(both)}
    node.run("certificate", **named(**paths, watch=True))
    text = node.run("certificate", **named(certificate=CHAIN, private_key=SHOP.key)).result["object"]
    assert (text["certificate_path"], text["private_key_path"], text["watch"]) == ("", "", False)
    path = node.run("certificate", **named(**paths)).result["object"]
    assert (path["certificate"], path["private_key"], path["certificate_path"]) == ("", "", str(both))
    assert list((node.prefix / "etc/tandem/keys").iterdir()) == []


def test_every_form_of_a_key_is_taken(node):
    for form in ("PKCS8", "TraditionalOpenSSL"):
        for key in (ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)):
            made = issued("form.example.com", ("form.example.com",), key=key)
            answer = node.run("certificate", **named(certificate=made.pem, private_key=key_pem(key, form)))
            assert answer.result.get("changed") is True, answer.output
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    answer = node.run("certificate", **named(certificate=SHOP.pem, private_key=parameters + key_pem(SHOP.private_key, "TraditionalOpenSSL")))
    assert answer.result.get("changed") is True, answer.output


def test_one_in_use_is_not_removed_and_its_users_are_listed(node):
    node.run("certificate", **named(certificate=CHAIN, private_key=SHOP.key))
    node.run("frontend", **FRONTEND, tls={"certificates": ["shop"]})
    node.run("backend", **BACKEND, tls={"enabled": True, "client_certificate": "shop"})
    answer = node.run("certificate", **named(state="absent"))
    assert 'it is used by backend "edge/shop", frontend "edge/web"' in answer.result["msg"], answer.output


def test_authorities_and_revocation_lists_are_shown_by_name_and_date(node):
    node.run("certificate", **named(certificate=CHAIN, private_key=SHOP.key))
    tls = {"certificates": ["shop"], "client_auth": "required", "client_ca": AUTHORITY.pem, "client_crl": revocations(AUTHORITY)}
    answer = node.run("frontend", **FRONTEND, tls=tls).result
    shown = answer["object"]["tls"]
    assert shown["client_ca"][0].startswith("CN=Our authority, until 20")
    assert shown["client_crl"][0].startswith("CN=Our authority, of 20")
    assert "-----BEGIN" not in str(answer["diff"])


def test_a_document_that_check_mode_hands_on_holds_the_whole_certificate(node):
    first = node.run("certificate", check=True, **named(certificate=CHAIN, private_key=SHOP.key)).result
    assumed = first["tandem_assumed"]
    second = node.run("frontend", check=True, tandem_assumed=assumed, **FRONTEND, tls={"certificates": ["shop"]})
    assert second.result.get("changed") is True, second.output


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another account")
def test_what_an_account_cannot_read_with_the_group_of_its_unit_is_found_by_the_kernels_word(monkeypatch):
    monkeypatch.setattr(_certificates, "GROUP", grp.getgrgid(_UNITS_GROUP).gr_name)  # the real one is on nodes only
    with tempfile.TemporaryDirectory() as name:  # those of pytest are closed to other accounts
        top = Path(name)
        top.chmod(0o755)
        (top / "closed").mkdir(mode=0o700)
        for path in (top / "open", top / "closed/inside"):
            path.write_text("x")
            path.chmod(0o644)
        paths = [str(top / "open"), str(top / "closed/inside")]
        assert _closed_to("nobody", paths) == {str(top / "closed/inside")}
        (top / "of the unit").write_text("x")
        for group, mode, closed in ((_UNITS_GROUP, 0o640, False), (pwd.getpwnam("nobody").pw_gid, 0o640, True)):
            os.chown(top / "of the unit", 0, group)
            (top / "of the unit").chmod(mode)
            assert bool(_closed_to("nobody", [str(top / "of the unit")])) is closed
        assert _closed_to("no-such-account", paths) == set()
