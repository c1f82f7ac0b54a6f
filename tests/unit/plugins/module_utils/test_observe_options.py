"""Where metrics and the dashboard are, in the model: who may ask, what is refused, what is stored of passwords, and what a former document is."""

from __future__ import annotations

import json

import pytest

from plugins.module_utils import _model as model
from plugins.module_utils._change import all_stated, removed
from tests.support.certificates import issued
from tests.support.objects import ALL, LOAD_BALANCER, PORT

AUTHORITY = issued("Our authority", authority=True)
EDGE = issued("lb.example.com", ("lb.example.com",))
CERTIFICATE = {"load_balancer": "edge", "name": "edge", "certificate": EDGE.pem, "private_key": EDGE.key}
ANNA = {"name": "anna", "password": "correct horse battery".replace(" ", "-")}
ANYWHERE = {"port": 9115, "address": "0.0.0.0"}


def stated(observe, secrets=None, **more):
    members = {**ALL, "certificates": [CERTIFICATE], "load_balancers": [{**LOAD_BALANCER, "observe": observe}], **more}
    return all_stated(model.Document(), members, {} if secrets is None else secrets, "merged")


def broken(observe, **more):
    return [str(problem) for problem in model.check_document(stated(observe, **more))]


@pytest.mark.parametrize(
    "observe",
    [
        {},
        {"port": 9115},
        {"port": 9115, "address": "::1", "users": [ANNA]},
        {"port": 9115, "address": "node"},  # whose nodes are on loopback, as in a trial
        {**ANYWHERE, "users": [ANNA], "certificate": "edge", "allow": ["192.0.2.0/24"]},
        {**ANYWHERE, "client_ca": AUTHORITY.pem, "certificate": "edge"},
    ],
)
def test_it_is_off_or_for_the_node_alone_or_for_those_who_are_known(observe):
    assert broken(observe) == []


@pytest.mark.parametrize(
    ("observe", "words"),
    [
        ({"allow": ["192.0.2.0/24"]}, ["observe.allow", "without observe.port nothing is to be seen"]),
        ({"users": [ANNA]}, ["observe.users", "without observe.port"]),
        (ANYWHERE, ['observe.address is "0.0.0.0"', "anybody may ask", "Give observe.users"]),
        ({**ANYWHERE, "users": [ANNA]}, ["observe.users", "passwords would pass the network as they are"]),
        ({**ANYWHERE, "users": [{"name": "anna"}], "certificate": "edge"}, ["observe.users[anna].password"]),
        ({"port": 9115, "certificate": "shop"}, ['observe.certificate is "shop"', "no such certificate"]),
        ({"port": 9115, "client_ca": AUTHORITY.pem}, ["observe.client_ca", "over TLS alone"]),
        ({"port": PORT, "address": "127.0.0.100"}, ["observe.port", 'frontend "edge/web" listens already']),
    ],
)
def test_what_would_do_nothing_or_harm_is_refused_with_the_way_out(observe, words):
    (problem,) = broken(observe)
    assert [word for word in words if word not in problem] == [], problem
    assert ANNA["password"] not in problem
    assert "BEGIN CERT" not in problem


@pytest.mark.parametrize("password", ["short", "with blanks in it, and long", "päßwort-of-twenty-chars"])
def test_a_password_is_long_and_ascii_and_no_error_shows_it(password):
    with pytest.raises(model.ModelError) as error:
        stated({"port": 9115, "users": [{"name": "anna", "password": password}]})
    assert "16 to 255 characters" in str(error.value)
    assert password not in str(error.value)


def test_the_document_holds_a_passwords_fingerprint_and_its_file_is_the_proxys():
    secrets = {}
    document = stated({"port": 9115, "users": [ANNA]}, secrets)
    mark = document.load_balancers["edge"].observe.users[0].password
    assert mark.startswith(model.PRIVATE_KEY)
    assert secrets[mark] == ANNA["password"]
    assert ANNA["password"] not in json.dumps(document.to_stored())


def test_a_node_asks_at_its_own_address_where_the_document_says_node():
    balancer = stated({"port": 9115, "address": "node"}).load_balancers["edge"]
    assert [balancer.observed_at(node) for node in ("lb-a", "lb-b", "lb-c")] == ["127.0.0.11", "127.0.0.12", ""]
    assert stated({}).load_balancers["edge"].observed_at("lb-a") == ""


def test_two_load_balancers_do_not_show_themselves_at_one_place():
    other = {**LOAD_BALANCER, "name": "other", "floating_ips": [], "heartbeat": {**LOAD_BALANCER["heartbeat"], "port": 7799}}
    balancers = [{**LOAD_BALANCER, "observe": {"port": 9115}}, {**other, "observe": {"port": 9115}}]
    (problem,) = broken({}, load_balancers=balancers)
    assert 'load balancer "edge" listens already' in problem


def test_a_document_of_a_former_release_shows_nothing_and_the_certificate_that_is_shown_is_not_removed():
    stored = stated({}).to_stored()
    del stored["objects"]["load_balancers"]["edge"]["observe"]
    assert model.Document.from_stored(stored).load_balancers["edge"].observe == model.Observing()
    document = removed(stated({"port": 9115, "certificate": "edge"}), "certificates", "edge/edge", {})
    assert "observe.certificate" in "".join(str(problem) for problem in model.check_document(document))
