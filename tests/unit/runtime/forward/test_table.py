"""The table and its words: golden files, what changes, and what nft itself says of them."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tandem._model import check_document
from tandem.forward.copies import copies
from tandem.forward.table import Table, table_name, table_of
from tandem.forward.target import TAG, TAG_MASK, kernel_frontends
from tandem.forward.text import change, removal, whole
from tests.support.forwarding import all_in, kernel_document

GOLDEN = Path(__file__).with_name("golden")
DOCUMENTS = {
    "tcp": kernel_document(),
    "udp-by-address": kernel_document({"protocol": "udp"}, {"protocol": "udp", "balance": "source"}),
    "keep": kernel_document({"client_address": "keep", "addresses": ["10.99.0.100"]}, servers=[{"name": "app-1", "address": "10.99.0.14"}]),
}
NFT = shutil.which("nft") if os.geteuid() == 0 else None


def nft(words):
    """What nft and a kernel, in a network of its own, do with a text: "" where they take it."""
    ended = subprocess.run(["unshare", "--net", NFT, "-f", "-"], input=words, capture_output=True, text=True, timeout=60, check=False)
    return ended.stderr


def table(name, state="up", active=("edge",), **other):
    document = DOCUMENTS[name]
    return table_of(document, all_in(document, state, **other), set(active))


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_document_is_worded_as_its_golden_file(name, request):
    """The file is what a person has looked at. After a change that is meant: TANDEM_GOLDEN=1 writes them anew, and git shows the difference."""
    assert check_document(DOCUMENTS[name]) == []
    words = whole("tandem", table(name))
    file = GOLDEN / f"{name}.nft"
    if os.environ.get("TANDEM_GOLDEN") == "1":
        file.write_text(words)
    assert words == file.read_text()


def test_without_kernel_frontends_there_is_no_table():
    document = kernel_document({"forwarding": "proxy"}, servers=[])
    assert not table_of(document, {}, {"edge"})
    assert kernel_frontends(kernel_document({"enabled": False})) == {}
    assert whole("tandem", Table()) == removal("tandem")


def test_marks_are_ours_and_stay_when_other_servers_come_and_go():
    marks = {target.server: target.mark for target in table("tcp").targets}
    fewer = kernel_document(servers=[{"name": "app-2", "address": "10.99.0.15"}, {"name": "six-1", "address": "fd99::14"}])
    assert {target.server: target.mark for target in table_of(fewer, {}, ()).targets}.items() <= marks.items()
    assert len(set(marks.values())) == 4
    assert {mark & TAG_MASK for mark in marks.values()} == {TAG}


@pytest.mark.parametrize(("state", "chosen", "serves"), [("up", 1, 1), ("drain", 0, 1), ("down", 0, 0), ("maint", 0, 0), ("", 0, 0)])
def test_who_gets_connections_and_who_may_keep_them(state, chosen, serves):
    made = table("tcp", app_1=state)
    (target,) = [one for one in made.targets if one.server == "app-1"]
    rules = "\n".join(made.chains["f4/edge/flows"][1])
    assert (f"{target.mark:#010x}" in rules, target.serves) == (chosen, serves)


def test_without_a_server_that_is_up_nothing_is_forwarded():
    assert table("tcp", "down").chains["f4/edge/flows"] == ("", ())


def test_an_address_that_is_always_there_is_served_by_the_active_node_alone():
    document = kernel_document(attach="none")
    states = all_in(document, "up")
    assert table_of(document, states, {"edge"}).sets["services4"][1] == {"10.99.0.100 . tcp . 80"}
    assert table_of(document, states, ()).sets["services4"][1] == frozenset()
    # One on an interface is the active node's alone: the table is ready before it comes.
    assert table("tcp", active=()).sets["services4"][1] == {"10.99.0.100 . tcp . 80"}


def test_what_a_server_says_first_has_no_address_where_two_frontends_share_it():
    from tandem import _model as model

    second = {"load_balancer": "edge", "name": "more", "port": 81, "protocol": "tcp", "default_backend": "pool", "addresses": ["10.99.0.100"]}
    shared = model.from_options(model.Frontend, {**second, "forwarding": "kernel", "client_address": "keep"})
    one = DOCUMENTS["keep"]
    both = one.with_object(shared)
    assert table_of(one, all_in(one, "up"), ()).sets["origins4"][1] == {"10.99.0.14 . tcp . 8080 : 10.99.0.100 . 80"}
    assert table_of(both, all_in(both, "up"), ()).sets["origins4"][1] == frozenset()


def test_a_change_says_what_differs_and_nothing_where_nothing_does():
    before, after = table("tcp"), table("tcp", app_1="down")
    words = change("tandem", before, after)
    assert change("tandem", before, before) == ""
    chains = {"f4/edge/flows", "l4/edge/flows", "n4/edge/flows/app-1"}
    assert set(re.findall(r"^\w+ \w+ inet tandem ([^ \n]+)", words, re.MULTILINE)) == chains
    assert "counter inet" not in words  # they go on counting


GATEWAYS = {"edge": ["10.99.0.12"]}


@pytest.mark.parametrize(
    ("active", "attach", "peers", "copied"),
    [
        (["edge"], "none", ["02:00:00:00:00:01"], True),
        ([], "none", ["02:00:00:00:00:01"], False),
        ([], "interface", ["02:00:00:00:00:01"], True),
        (["edge"], "interface", [], False),
    ],
)
def test_what_a_node_serves_is_copied_to_peers_that_it_knows_in_their_own_family(active, attach, peers, copied):
    words = copies("tandem", kernel_document(attach=attach), active, GATEWAYS, peers)
    assert ("ip daddr . meta l4proto . th dport { 10.99.0.100 . tcp . 80 } dup to 10.99.0.12" in words) is copied
    assert "dup to" not in words.partition("table ip6")[2]
    assert NFT is None or nft(words) == ""


def test_nobody_is_told_of_clients_whom_servers_know():
    assert "dup to" not in copies("tandem", DOCUMENTS["keep"], ["edge"], GATEWAYS, ["02:00:00:00:00:01"])


NETWORKS = ["10.0.0.0/8", "10.1.0.0/16", "fd00::/8"]


@pytest.mark.parametrize(
    ("acls", "default", "rules"),
    [
        ([], "allow", None),
        ([{"sources": NETWORKS, "action": "deny"}], "allow", ["ip saddr { 10.0.0.0/8 } drop", "goto f4/edge/flows"]),
        ([{"sources": NETWORKS, "action": "allow"}], "deny", ["ip saddr { 10.0.0.0/8 } goto f4/edge/flows", "drop"]),
        ([{"sources": NETWORKS, "invert": True}], "allow", ["ip saddr != { 10.0.0.0/8 } drop", "goto f4/edge/flows"]),
        ([{"sources": ["fd00::/8"]}], "allow", ["goto f4/edge/flows"]),
        ([{"sources": ["fd00::/8"], "invert": True}], "allow", ["drop", "goto f4/edge/flows"]),
        ([{"sources": ["0.0.0.0/0"], "action": "allow"}], "deny", ["goto f4/edge/flows", "drop"]),
        ([{"sources": ["0.0.0.0/0"], "invert": True}], "allow", ["goto f4/edge/flows"]),
    ],
)
def test_acls_by_source_network_come_before_a_server_is_chosen(acls, default, rules):
    document = kernel_document({"acls": acls, "acl_default": default})
    assert check_document(document) == []
    made = table_of(document, all_in(document, "up"), ["edge"])
    entry = next(element.rpartition("goto ")[2] for element in made.sets["frontends4"][1])
    assert entry == ("f4/edge/flows" if rules is None else "a4/edge/flows")
    assert rules is None or made.chains[entry] == ("", tuple(rules))
    assert NFT is None or nft(whole("tandem", made)) == ""


def test_a_table_has_the_name_of_its_node():
    assert table_name("/") == "tandem"
    assert table_name("/srv/a") != table_name("/srv/b")


@pytest.mark.skipif(NFT is None, reason="needs root and nft from the distribution's packages")
@pytest.mark.parametrize("seed", range(8))
def test_nft_takes_every_valid_document_and_every_change_between_two(seed):
    """Also which becomes of which: the kernel holds after the change what it would hold of the second alone."""
    chance = random.Random(seed)
    name, before, after = "tandem", any_table(chance), any_table(chance)
    told = whole(name, before) + change(name, before, after)
    assert nft(told) == ""
    assert shown(told) == shown(whole(name, after))


def shown(words):
    ended = subprocess.run(
        ["unshare", "--net", "sh", "-c", f"{NFT} -f - && {NFT} -s list ruleset"], input=words, capture_output=True, text=True, timeout=60, check=True
    )
    # nft lists elements, chains and counters in the order in which they came.
    blocks = [block.strip("}\n\t ") for block in ended.stdout.partition("\n")[2].split("\n\n")]
    return sorted(" ".join(sorted(re.split(r"[,\s]+", block))) if "elements" in block else block for block in blocks)


def any_table(chance):
    protocol, keep = chance.choice(("tcp", "udp")), chance.choice(("snat", "keep"))
    names = chance.sample(["a", "B-2", "c.d", "e_f", "9", "in", "map", "x" * 63], chance.randint(1, 5))
    listed = [
        {
            "name": name,
            "address": f"10.9.{number}.7",
            "port": chance.choice((0, 1, 65535)),
            "weight": chance.randint(0, 256),
            "backup": chance.random() < 0.2,
        }
        for number, name in enumerate(names)
    ]
    acls = [{"sources": chance.sample(NETWORKS, 2), "action": chance.choice(("allow", "deny")), "invert": chance.random() < 0.5}]
    frontend = {
        "acls": chance.choice(([], acls)),
        "protocol": protocol,
        "client_address": keep,
        "addresses": ["10.99.0.100"],
        "port": chance.choice((1, 53, 65535)),
    }
    document = kernel_document(frontend, {"protocol": protocol, "balance": chance.choice(("roundrobin", "source"))}, servers=listed)
    assert check_document(document) == []
    states = {key: {name: chance.choice(("up", "up", "down", "drain", "maint")) for name in names} for key in document.backends}
    return table_of(document, states, chance.choice(((), ("edge",))))
