"""The web site of docs/examples on hosts of the lab: what its clients meet."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
import yaml

from tests.lab.layout import HOSTS, NODES, SERVERS, TOP
from tests.lab.test_failover import settled
from tests.support.waiting import until

EXAMPLE = TOP / "docs/examples/web-site.yml"
LINES_MAX = 80
# Asks the site so often, so fast, each with a connection of its own, and tells what came.
ASK = """
import http.client, json, sys, time
target, path, host, count, rest = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
for _request in range(count):
    connection = http.client.HTTPConnection(target, 80, timeout=5)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    body = answer.read().decode()
    fields = {name.lower(): value for name, value in answer.getheaders()}
    print(json.dumps([answer.status, fields, body]))
    connection.close()
    time.sleep(rest)
"""
BACK = """
- hosts: lb
  become: true
  gather_facts: false
  tasks:
    - tandem.lb.config:
        state: replaced
        backends:
          - load_balancer: edge
            name: shop
            port: 8080
            servers:
              - {name: app-1, address: "{{ hostvars['app-1'].address }}"}
              - {name: app-2, address: "{{ hostvars['app-2'].address }}"}
            health_check: {type: http, path: /health}
        frontends: [{load_balancer: edge, name: web, port: 80, default_backend: shop}]
    - tandem.lb.config:
        state: absent
        backends: [{load_balancer: edge, name: canary}]
"""


class Site:
    def __init__(self, pair, folder):
        self.pair, self.folder = pair, folder
        self.plays = []

    def play(self, *arguments):
        """The example, as it stands there but for what the lab cannot have: two machines."""
        written = yaml.safe_load(EXAMPLE.read_text())
        for task in written[0]["tasks"]:
            if "tandem.lb.load_balancer" in task:
                task["tandem.lb.load_balancer"]["allow_same_hardware"] = True
        path = self.folder / "site.yml"
        path.write_text(yaml.safe_dump(written, sort_keys=False))
        return self.pair.play(path, "-e", json.dumps({"office": f"{self.pair.lab.layout.address(HOSTS['app-1'])}/32"}), *arguments)

    def ask(self, path="/", host="www.example.com", count=1, rest=0.1, of="client"):
        words = ["python3", "-c", f"'{ASK}'", self.pair.address, path, host, str(count), str(rest)]
        return [json.loads(line) for line in self.pair.hosts.run(of, " ".join(words)).stdout.splitlines()]

    def name_servers(self):
        """Both nodes find the servers by their names."""
        for node in NODES:
            for server in SERVERS:
                line = f"{self.pair.lab.layout.address(HOSTS[server])} {server}.internal.example.com"
                self.pair.hosts.run(node, f"echo '{line}' >>/etc/hosts", sudo=True)

    def forget_servers(self):
        for node in NODES:
            self.pair.hosts.run(node, "sed -i '/internal.example.com/d' /etc/hosts", sudo=True)


@pytest.fixture(scope="module")
def site(pair, tmp_path_factory):
    settled(pair)
    made = Site(pair, tmp_path_factory.mktemp("site"))
    made.name_servers()
    try:
        made.checked = made.play("--check")
        made.applied = made.play()
        until(lambda: pair.up() == {"app-1"}, 30, "the server of the shop being up")
        yield made
    finally:
        back = made.folder / "back.yml"
        back.write_text(BACK)
        pair.play(back)
        made.forget_servers()
        until(lambda: pair.up() == set(SERVERS), 30, "all being as before")


def test_the_example_is_short_foretells_what_it_does_and_changes_nothing_when_it_is_run_again(site):
    assert len(EXAMPLE.read_text().splitlines()) <= LINES_MAX
    assert site.checked.total("changed") == site.applied.total("changed") > 0
    assert site.play().total("changed") == 0


def test_a_twentieth_of_the_visitors_gets_the_next_version_and_each_answer_says_what_a_page_may_do(site):
    answers = site.ask(count=300, rest=0.06)
    assert {status for status, _fields, _body in answers} == {200}
    served = Counter(fields["x-served-by"] for _status, fields, _body in answers)
    assert set(served) == set(SERVERS)
    assert 2 <= served["app-2"] <= 40, f"of 300 about 15: {served}"
    for _status, fields, _body in answers:
        assert (fields["x-content-type-options"], fields["x-frame-options"]) == ("nosniff", "DENY")
        assert fields["content-security-policy"] == "default-src 'self'"


def test_only_the_office_sees_the_admin_path_however_it_is_written(site):
    assert [status for status, _fields, _body in site.ask("/admin/users")] == [403]
    assert [status for status, _fields, _body in site.ask("/%61dmin/users")] == [403]
    assert site.ask("/admin/users", of="app-1")[0][0] != 403


def test_visitors_of_the_former_name_are_sent_on(site):
    ((status, fields, _body),) = site.ask("/cart?x=1", host="shop.example.com")
    assert (status, fields["location"]) == (301, "http://www.example.com/cart?x=1")


def test_a_client_that_asks_for_more_is_told_to_wait_and_others_are_served(site):
    statuses = Counter(status for status, _fields, _body in site.ask(count=200, rest=0))
    assert statuses[429] > 100, statuses
    assert site.ask(of="app-2")[0][0] == 200
    until(lambda: site.ask()[0][0] == 200, 10, "the client being served again")


def test_while_no_server_is_up_there_is_a_page_that_says_so(site):
    try:
        for server in SERVERS:
            site.pair.hosts.run(server, "systemctl stop shop", sudo=True)
        until(lambda: not site.pair.up(), 30, "no server being up")
        until(lambda: site.ask()[0][0] == 503, 10, "nobody being there to answer")
        ((status, fields, body),) = site.ask()
        assert (status, bool(re.search("back soon", body)), fields["x-frame-options"]) == (503, True, "DENY")
    finally:
        for server in SERVERS:
            site.pair.hosts.run(server, "systemctl start shop", sudo=True)
        until(lambda: site.pair.up() == {"app-1"}, 30, "the server of the shop being up again")
