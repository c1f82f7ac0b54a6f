"""The rules between a backend's options for when servers fail, and for connections that are silent."""

from __future__ import annotations

import pytest

from tandem import _model as model
from tests.unit.plugins.module_utils.test_model import edge, rules_broken, shop, vip, web


@pytest.mark.parametrize(
    ("things", "said"),
    [
        (
            [shop(observe={"errors": 5}, health_check={"type": "none"})],
            "observe.errors is 5, but without health checks a server that is taken for down",
        ),
        ([shop(observe={"window": "1m"})], 'observe.window is "1m", but without observe.errors nothing is counted'),
        ([shop(observe={"count_5xx": True})], "observe.count_5xx is true, but without observe.errors"),
        ([shop(protocol="tcp", observe={"errors": 5, "count_5xx": True})], "observe.count_5xx is true, but TCP has no statuses"),
        ([shop(keepalive_probes={"idle": "1500ms"})], 'keepalive_probes.idle is "1500ms", but the kernel counts in seconds'),
        ([shop(keepalive_probes={"count": 9})], "keepalive_probes.count is 9, but without keepalive_probes.idle nobody is asked"),
        ([shop(), web(keepalive_probes={"interval": "5s"})], 'frontend "edge/web": keepalive_probes.interval is "5s", but without'),
    ],
)
def test_a_rule_about_failing_servers_and_silent_peers_is_told_with_its_way_out(things, said):
    assert any(said in problem for problem in rules_broken(vip(), edge(), *things)), rules_broken(vip(), edge(), *things)


def test_what_belongs_together_breaks_no_rule():
    whole = shop(observe={"errors": 5, "window": "1m", "count_5xx": True}, keepalive_probes={"idle": "60s", "interval": "5s", "count": 9})
    assert rules_broken(vip(), edge(), whole, web(keepalive_probes={"idle": "60s"})) == []


def test_reasons_to_send_again_are_words_and_statuses_and_nothing_else():
    assert shop().retry_on == ("connect_failure", "empty_response")
    assert shop(retry_on=["503", "connect_failure", "503"]).retry_on == ("503", "connect_failure")
    for given in ("401", "200", "always", "5xx"):
        with pytest.raises(model.ModelError, match=r"no reason to send a request again\. Give connect_failure, empty_response, or a status"):
            shop(retry_on=[given])
    for backend, said in (
        (shop(protocol="tcp", retry_on=["503"]), 'retry_on is "503", but TCP has no statuses'),
        (shop(retry_on=["503"], max_retries=0), "but with max_retries: 0 nothing is sent again"),
    ):
        assert any(said in problem for problem in rules_broken(vip(), edge(), backend)), rules_broken(vip(), edge(), backend)
