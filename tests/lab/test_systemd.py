"""What systemd does for the services on hosts that it runs: its watchdog, the sockets that it keeps across a restart, the levels in its journal."""

from __future__ import annotations

import json
import time

import pytest

from tests.lab.lab_pair import answered
from tests.lab.layout import HOSTS
from tests.lab.test_failover import holders, other_than, settled
from tests.support.waiting import until

WATCHDOG_S = {"tandem-keepalive": 5, "tandem-proxy": 10}
DIRECT_PORT = 81
PATIENCE_S = 20  # Python starts slowly where others work too


def state_of(pair, node, service):
    """The service's main process, how often it was restarted, and what systemd says of its end."""
    shown = pair.hosts.run(node, f"systemctl show {service} -p MainPID -p NRestarts -p Result --timestamp=unix").stdout
    return dict(line.split("=", 1) for line in shown.splitlines())


def journal(pair, node, service, since):
    """The service's own lines since then (a time of journalctl(1)), as the journal keeps them."""
    command = f"journalctl --unit {service} --output json --since '{since}' _SYSTEMD_UNIT={service}.service"
    return [json.loads(line) for line in pair.hosts.run(node, command, sudo=True).stdout.splitlines()]


def now_on(pair, node):
    return pair.hosts.run(node, "date '+%F %T'").stdout.strip()


@pytest.mark.parametrize("service", ["tandem-keepalive", "tandem-proxy"])
def test_a_service_that_hangs_is_replaced_by_the_watchdog_and_the_node_stands_by(pair, figure, service):
    active = settled(pair)
    other = other_than(active)
    before = state_of(pair, active, service)
    began = pair.hosts.run(active, f"systemctl kill -s STOP {service}; cat /proc/uptime", sudo=True).stdout.split()[0]
    until(lambda: holders(pair) == [other], 15, f"the floating IP being on {other} alone")
    until(lambda: pair.node_state(other) == "active", 15, f"{other} becoming active")
    until(lambda: state_of(pair, active, service)["MainPID"] not in ("0", before["MainPID"]), WATCHDOG_S[service] + 20, "systemd starting it anew")
    assert int(state_of(pair, active, service)["NRestarts"]) == int(before["NRestarts"]) + 1
    ended = pair.hosts.run(active, "cat /proc/uptime").stdout.split()[0]
    assert settled(pair) == other
    said = pair.hosts.run(active, f"journalctl --unit {service} --grep 'Watchdog timeout' --output cat --lines 1", sudo=True).stdout
    assert f"limit {WATCHDOG_S[service]}s" in said
    figure(f"lab, {service} hangs (SIGSTOP) on the active node: systemd has another one running after {float(ended) - float(began):.1f} s")


def test_no_client_is_refused_while_the_proxy_of_the_active_node_is_restarted(pair, figure, tmp_path):
    # One client asks at the floating IP, which moves meanwhile; one at the node's own address, where it meets the restart itself.
    playbook = tmp_path / "direct.yml"
    playbook.write_text(f"""
- hosts: lb
  become: true
  gather_facts: false
  tasks:
    - tandem.lb.frontend: {{load_balancer: edge, name: direct, port: {DIRECT_PORT}, addresses: ["0.0.0.0"], default_backend: shop}}
""")
    pair.play(playbook)
    active = settled(pair)
    before = state_of(pair, active, "tandem-proxy")
    own = pair.lab.layout.address(HOSTS[active])
    with pair.stream() as moving, pair.stream(own, DIRECT_PORT, PATIENCE_S) as direct:
        until(lambda: min(len(answered(stream.outcomes)) for stream in (moving, direct)) >= 50, 10, "requests beginning")
        pair.hosts.run(active, "systemctl restart tandem-proxy", sudo=True)
        restarted = time.monotonic()
        for stream in (moving, direct):
            until(lambda stream=stream: stream.outcomes[-1].server and stream.outcomes[-1].started_s > restarted, 15, "answers after the restart")
    assert settled(pair) == other_than(active)
    assert state_of(pair, active, "tandem-proxy")["MainPID"] != before["MainPID"]
    slowest = max(outcome.ended_s - outcome.started_s for outcome in direct.outcomes)
    figure(f"lab, restart of the active proxy, floating IP: {len(moving.failures)} of {len(moving.outcomes)} requests failed")
    figure(f"lab, restart of the active proxy, own address: {len(direct.failures)} of {len(direct.outcomes)}, the slowest took {slowest:.1f} s")
    assert not any("refused" in reason.lower() for reason in moving.failures)
    assert direct.failures == [], "who waits at a kept listener is served"


def test_the_journal_knows_the_level_of_each_line(pair):
    active, victim = settled(pair), sorted(pair.servers)[0]
    began = now_on(pair, active)
    pair.kill_server(victim)
    until(lambda: victim not in pair.up(), 20, f"{victim} being found dead")
    pair.start_server(victim)
    until(lambda: victim in pair.up(), 20, f"{victim} being up again")
    lines = [line for line in journal(pair, active, "tandem-proxy", began) if victim in line["MESSAGE"]]
    levels = {line["PRIORITY"] for line in lines}
    assert levels & {"3", "4"}, lines
    assert "6" in levels, lines
    assert not any(line["MESSAGE"].startswith("<") for line in lines)
