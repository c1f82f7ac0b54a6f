"""Ten minutes of history from views of status: rates of what is counted, times of what was answered lately, and no more than fits."""

from __future__ import annotations

from tandem.metrics.latency import Histogram
from tandem.observe.elections import Followed
from tandem.observe.history import POINTS, SERIES_MAX, STEP_S, History


def proxy(requests=0, errors=0, times=None, servers=("s1",)):
    counts = (times or Histogram()).shown()
    told = {name: {"sessions_total": requests, "connect_errors": errors} for name in servers}
    return {
        "frontends": {"edge/web": {"requests": requests, "responses_5xx": errors}},
        "backends": {"edge/shop": {"latency": {"first_byte": counts}, "servers": told}},
    }


def test_counters_become_rates_and_begin_anew_where_they_went_down():
    history = History()
    for moment, (requests, errors) in enumerate([(100, 0), (150, 10), (150, 10), (20, 0)]):
        history.add(moment * STEP_S, proxy(requests, errors))
    assert history.of("frontend/edge/web/rate") == [None, 10.0, 0.0, 4.0]
    assert history.of("server/edge/shop/s1/errors") == [None, 2.0, 0.0, 0.0]
    assert history.last("frontend/edge/web/rate") == 4.0


def test_times_are_of_what_was_answered_since_the_step_before():
    history, times = History(), Histogram()
    for _answer in range(100):
        times.add(0.002)
    history.add(0.0, proxy(times=times))
    for _answer in range(10):
        times.add(0.4)
    history.add(STEP_S, proxy(times=times))
    history.add(2 * STEP_S, proxy(times=times))
    quick, slow, none = history.of("backend/edge/shop/p50_ms")
    assert (quick < 2.5, 250 < slow <= 500, none) == (True, True, 0)


def test_what_is_older_than_ten_minutes_and_what_is_gone_is_forgotten():
    history = History()
    for moment in range(POINTS + 30):
        history.add(moment * STEP_S, proxy(moment))
    assert len(history.of("frontend/edge/web/rate")) == POINTS
    history.add(0.0, {"frontends": {}, "backends": {}})
    assert history.of("frontend/edge/web/rate") == []


def test_a_site_of_any_size_has_a_bounded_history():
    history = History()
    many = proxy(1, servers=[f"s{number}" for number in range(SERIES_MAX)])
    history.add(0.0, many)
    history.add(STEP_S, many)
    assert len(history._series) == SERIES_MAX


def view(state="standby", transitions=1, peer="active", conflicts=0, reason=""):
    told = {"count": conflicts, "last": {"peer": "lb-b"} if conflicts else None}
    peers = {"lb-b": {"state": peer}}
    return {
        "load_balancers": {"edge": {"node": "lb-a", "state": state, "transitions": transitions, "reason": reason, "conflicts": told, "peers": peers}}
    }


def changes(first, *others):
    followed = Followed(first)
    return [event for told in others for event in followed.changes(told)]


def test_what_changes_in_an_election_is_told_with_its_reason():
    assert changes(view(), view()) == []
    assert changes(view(), view("active", 2, "silent", reason="the active node is silent")) == [
        ("state", "edge", "lb-a: standby -> active: the active node is silent"),
        ("peer", "edge", "lb-b: active -> silent"),
    ]
    assert changes(view("active"), view("active", 3)) == [("state", "edge", "lb-a: active -> active, 2 changes in all")]
    assert changes(view("active"), view("active", conflicts=1)) == [("state", "edge", "lb-a and lb-b are both active")]
    former = {"load_balancers": {"edge": {key: told for key, told in view()["load_balancers"]["edge"].items() if key != "conflicts"}}}
    assert changes(former, view(conflicts=1)) == [("state", "edge", "lb-a and lb-b are both active")]
    assert changes(view(conflicts=1), former) == []
    assert changes(view(), None) == [("service", "keepalive", "does not answer")]
    assert changes(None, view()) == [("service", "keepalive", "answers")]
    assert changes(None, None) == []


def test_what_changed_while_keepalive_did_not_answer_is_told_once_it_does():
    assert changes(view("active"), None, None, view("standby", 2, reason="clients are no longer served here")) == [
        ("service", "keepalive", "does not answer"),
        ("service", "keepalive", "answers"),
        ("state", "edge", "lb-a: active -> standby: clients are no longer served here"),
    ]
