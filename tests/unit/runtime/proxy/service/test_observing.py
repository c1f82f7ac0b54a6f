"""Servers that fail the requests of clients: what is counted, and a node that takes them down and up again."""

from __future__ import annotations

import dataclasses

from tandem._model import HealthCheck, Observe, Server
from tandem.proxy.service.observing import Observed
from tests.support.node import ADDRESS, Shop, backend, document_of, free_port, frontend, get, until

QUICK = HealthCheck(type="http", path="/health", interval_ms=200, fast_interval_ms=50, rise=2)


def observed(errors=10, window_ms=10_000):
    return document_of(backend(Server("s1", ADDRESS, 80), Server("s2", ADDRESS, 81), observe=Observe(errors, window_ms), check=QUICK))


def test_failures_of_all_workers_within_the_window_are_added_up_and_begin_anew_when_they_were_enough():
    seen, document = Observed(), observed()
    assert seen.add(document, [("edge/shop", "s1", 4)], 100.0) == {}
    assert seen.add(document, [("edge/shop", "s1", 5), ("edge/shop", "s2", 9)], 105.0) == {}
    assert seen.add(document, [("edge/shop", "s1", 1)], 110.0) == {("edge/shop", "s1"): "10 or more requests failed within 10s"}
    assert seen.add(document, [("edge/shop", "s1", 9), ("edge/shop", "s2", 1)], 116.0) == {}, "the nine of s2 are too old"


def test_what_is_no_longer_stated_or_observed_is_not_counted_and_forgotten():
    seen, document = Observed(), observed()
    for key, name in (("edge/shop", "gone"), ("edge/gone", "s1")):
        assert seen.add(document, [(key, name, 100)], 100.0) == {}
    seen.add(document, [("edge/shop", "s1", 9)], 100.0)
    seen.keep_only(document_of(backend(Server("s2", ADDRESS, 81), observe=Observe(10), check=QUICK)))
    assert seen.add(document, [("edge/shop", "s1", 1)], 100.0) == {}
    unobserved = document_of(dataclasses.replace(document.backends["edge/shop"], observe=Observe()))
    assert seen.add(unobserved, [("edge/shop", "s1", 100)], 100.0) == {}


class Failing(Shop):
    """Passes its checks, and answers all else with 500."""

    def __init__(self):
        super().__init__("failing")
        shop = self

        class Handler(self.RequestHandlerClass):
            def do_GET(self):
                shop.answer(self)

        self.RequestHandlerClass = Handler

    def answer(self, one):
        self.paths.append(one.path)
        one.send_response(200 if one.path == "/health" else 500)
        one.send_header("Content-Length", "0")
        one.end_headers()


def test_a_server_that_passes_checks_and_fails_clients_is_taken_down_by_them_and_up_again_by_checks(node, shops):
    failing, good, port = Failing(), shops("good"), free_port()
    node.start_proxy(workers=2)
    hourly = dataclasses.replace(QUICK, interval_ms=3_600_000)  # but for those that follow a change
    node.load(backend(failing, good, check=hourly, observe=Observe(5, 60_000, count_5xx=True)), frontend(port))
    down = "server edge/shop/s1 is down: 5 or more requests failed within 1m"
    until(lambda: get(port)[0] and down in node.log.read_text())
    checks = failing.paths.count("/health")
    until(lambda: node.proxy.status()["backends"]["edge/shop"]["servers"]["s1"]["state"] == "up")
    assert failing.paths.count("/health") - checks == 2, "as rise says"
    node.load(backend(failing, check=hourly, observe=Observe(5, 60_000, count_5xx=True)), frontend(port))
    for _request in range(20):
        assert get(port)[0] == 500
    assert node.log.read_text().count(down) == 1, "the last one that is up stays up"
    failing.close()
