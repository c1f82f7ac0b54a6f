"""Metrics as text, without a service: both formats as Prometheus' own readers have them, all that is declared, and names that cannot grow."""

from __future__ import annotations

import subprocess

import pytest

from tandem._model import Document
from tandem.metrics.counters import BACKEND, CHECK, FRONTEND, SERVER
from tandem.metrics.latency import BOUNDS, LATENCY, Histogram, quantile
from tandem.observe.exposition import Family, prefers_openmetrics, render
from tests.support.observed import PROMTOOL, read, value
from tests.support.shown import text, view


@pytest.mark.parametrize("openmetrics", [False, True])
def test_both_formats_are_read_by_those_who_made_them_and_say_the_same(openmetrics):
    found = read(text(openmetrics), openmetrics=openmetrics)
    assert value(found, "tandem_frontend_requests_total", frontend="web") == 7
    assert value(found, "tandem_frontend_responses_total", frontend="web", **{"class": "2xx"}) == 5
    assert value(found, "tandem_server_up", server="s1") == 1
    assert value(found, "tandem_server_up", server="s2") == 0
    assert value(found, "tandem_server_check_duration_seconds", server="s1") == 0.25
    assert value(found, "tandem_certificate_expiry_timestamp_seconds", certificate="shop") == 1_900_000_000
    assert value(found, "tandem_node_state", state="active") == 1
    assert value(found, "tandem_node_conflicts_total", node="lb-a") == 1
    assert value(found, "tandem_peer_heartbeat_jitter_seconds", peer="lb-b") == 0.0015
    assert value(found, "tandem_build_info", acceleration="none", version="1.0") == 1


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (package prometheus)")
@pytest.mark.parametrize("openmetrics", [False])  # the only one that it reads
def test_promtool_finds_nothing_to_better(openmetrics):
    checked = subprocess.run([str(PROMTOOL), "check", "metrics"], input=text(openmetrics), capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr + checked.stdout) == (0, "")


def test_every_declared_counter_and_histogram_is_exported_with_its_help():
    written = text(True)
    assert [metric.name for metric in (*FRONTEND, *BACKEND, *SERVER, *CHECK) if metric.help not in written] == []
    assert {part.name for part in LATENCY if f"tandem_backend_{part.name}_seconds_bucket" in written} == {part.name for part in LATENCY}


def test_a_histogram_counts_up_to_all_that_there_was():
    found = read(text(True), openmetrics=True)
    buckets = [value(found, "tandem_backend_whole_seconds_bucket", le=str(bound)) for bound in BOUNDS]
    assert buckets == sorted(buckets)
    assert (buckets[0], buckets[-1]) == (1, 3)
    assert value(found, "tandem_backend_whole_seconds_bucket", le="+Inf") == value(found, "tandem_backend_whole_seconds_count") == 4
    assert value(found, "tandem_backend_whole_seconds_sum") == pytest.approx(103.0205)


def test_a_quantile_lies_in_the_bucket_of_what_it_is_of():
    times = Histogram()
    assert quantile(times.shown()["counts"], 0.5) == 0
    for _time in range(98):
        times.add(0.02)
    times.add(3.0)
    times.add(1000.0)
    counts = times.shown()["counts"]
    assert 0.01 < quantile(counts, 0.5) <= 0.025
    assert 2.5 < quantile(counts, 0.99) <= 5.0
    assert quantile(counts, 1.0) == BOUNDS[-1]


def test_what_takes_just_as_long_as_a_bound_is_within_it():
    times = Histogram()
    times.add(BOUNDS[3])
    assert times.shown()["counts"] == {str(BOUNDS[3]): 1}


def test_without_keepalive_its_part_is_missing_and_nothing_else():
    alone = read(text(True, keepalive=None), openmetrics=True)
    both = read(text(True), openmetrics=True)
    missing = {name for name, _labels in set(both) - set(alone)}
    assert {name.split("_")[1] for name in missing} == {"node", "peer", "floating"}
    assert value(alone, "tandem_keepalive_up") == 0


def test_labels_hold_whatever_a_name_may_be():
    family = Family("tandem_odd", "gauge", 'a "help" with \\ and\na line')
    family.add({"name": 'quo"te, back\\slash and\nline'}, 1.5)
    for openmetrics in (False, True):
        found = read(render([family], openmetrics=openmetrics).decode(), openmetrics=openmetrics)
        assert found == {("tandem_odd", (("name", 'quo"te, back\\slash and\nline'),)): 1.5}


def test_a_load_balancer_shows_its_own_objects_alone():
    proxy = view()
    proxy["frontends"]["other/web"] = {**proxy["frontends"]["edge/web"], "requests": 99}
    found = read(text(True, proxy=proxy), openmetrics=True)
    assert value(found, "tandem_frontend_requests_total") == 7  # the only one


def test_a_node_without_objects_has_metrics_too():
    assert value(read(text(True, proxy=view(Document(), {})), openmetrics=True), "tandem_generation") == 0


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            True,
        ),
        ("application/openmetrics-text;q=0.1, text/plain;q=0.9", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=nan", False),
        ("Application/OpenMetrics-Text ; Q=0.7", True),
    ],
)
def test_openmetrics_is_for_who_prefers_it(accept, wanted):
    assert prefers_openmetrics(accept) is wanted
