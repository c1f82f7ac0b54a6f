"""hosts(5) and resolv.conf(5) as they are found on nodes, and whose address is whose."""

from __future__ import annotations

import pytest

from tandem.names.slots import assigned
from tandem.names.system import Asking, names_to_ask, read_hosts, read_resolv_conf


def test_resolv_conf_says_who_is_asked_below_which_domains_and_how_often():
    text = """
# comment
; comment
nameserver 192.0.2.53
nameserver 2001:db8::53
nameserver not-an-address
nameserver 192.0.2.54
nameserver 192.0.2.55
domain old.example.com
search Corp.example.com example.com
options ndots:2 timeout:1 attempts:3 rotate edns0 ndots:x
"""
    servers = (("192.0.2.53", 53), ("2001:db8::53", 53), ("192.0.2.54", 53))
    assert read_resolv_conf(text) == Asking(servers, ("Corp.example.com", "example.com"), 2, 1, 3)


def test_without_a_name_server_the_host_itself_is_asked_and_numbers_stay_within_bounds():
    assert read_resolv_conf("") == Asking((("127.0.0.1", 53),), (), 1, 5, 2)
    odd = read_resolv_conf("search " + " ".join(f"d{n}.test" for n in range(9)) + "\noptions ndots:99 timeout:99999999999 attempts:0")
    assert (len(odd.search), odd.ndots, odd.timeout_s, odd.attempts) == (6, 15, 30, 1)


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("db", ["db.corp.test", "db.test", "db"]),
        ("db.eu", ["db.eu.corp.test", "db.eu.test", "db.eu"]),
        ("db.eu.corp", ["db.eu.corp", "db.eu.corp.corp.test", "db.eu.corp.test"]),
        ("db.", ["db"]),
    ],
)
def test_a_name_of_few_dots_is_looked_for_below_the_search_list_first(host, asked):
    assert names_to_ask(host, Asking((), ("corp.test", "test."), ndots=2)) == asked


def test_hosts_name_addresses_in_order_and_lines_that_say_nothing_do_no_harm():
    text = "192.0.2.1 App.test app  # web\n2001:db8::1\tapp\n\n# 192.0.2.9 app\n192.0.2.1 app\n192.0.2.2"
    assert read_hosts(text) == {"app.test": ("192.0.2.1",), "app": ("192.0.2.1", "2001:db8::1")}


A, B, C, D = "192.0.2.9", "192.0.2.10", "192.0.2.11", "192.0.2.12"
ALONE = [("app-1", True), ("app-2", True), ("app-3", True)]


def test_slots_are_filled_in_the_order_of_the_addresses_wherever_they_come_from():
    assert assigned(ALONE, {}, [C, A, B]) == assigned(ALONE, {}, [A, B, C]) == {"app-1": A, "app-2": B, "app-3": C}


def test_an_address_that_stays_keeps_its_slot_whatever_comes_and_goes_beside_it():
    have = {"app-1": A, "app-2": B, "app-3": C}
    assert assigned(ALONE, have, [C, D, A]) == {"app-1": A, "app-2": D, "app-3": C}
    assert assigned(ALONE, have, [C]) == {"app-3": C}
    assert assigned(ALONE, {"app-3": C}, [B, C]) == {"app-1": B, "app-3": C}
    assert assigned(ALONE, have, [D, A, B, C, "192.0.2.1"]) == have


def test_servers_stated_one_by_one_share_addresses_only_where_there_are_too_few():
    stated = [("one", False), ("two", False), ("three", False)]
    assert assigned(stated, {}, [A, B, C]) == {"one": A, "two": B, "three": C}
    assert assigned(stated, {}, [A, B]) == {"one": A, "two": B, "three": A}
    assert assigned(stated, {"two": A}, [A]) == {"one": A, "two": A, "three": A}
    assert assigned(stated, {"one": A}, []) == {}
