"""The page in Chromium: it shows what there is, follows what happens, works by keyboard and on a telephone, and breaks none of its own rules."""

from __future__ import annotations

import pytest

from tandem._model import HealthCheck, Server
from tests.support.chromium import CHROMIUM, chromium
from tests.support.network import free_together
from tests.support.node import ADDRESS, backend, frontend, get, until
from tests.support.observed import ask, observed

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (package chromium)")
QUICK = HealthCheck(interval_ms=200, timeout_ms=200, fall=1, rise=1)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture
def site(node, shops):
    """A proxy with two servers and a page: (node, port of the frontend, port of the page, the shops)."""
    two = [shops("one"), shops("two")]
    port, place = free_together(2)
    node.start_proxy()
    node.load(observed(place), backend(*two, check=QUICK), frontend(port))
    return node, port, place, two


def server_states(browser):
    rows = (
        "[...document.querySelectorAll('tbody tr')].map((row) => row.cells[0].firstChild.textContent + ' ' + row.querySelector('.state').textContent)"
    )
    return browser.ask(rows)


def test_it_shows_the_load_balancer_and_what_happens_to_it_without_a_complaint(browser, site):
    node, port, place, shops = site
    for _request in range(40):
        get(port)
    browser.console.clear()
    browser.look(1100, 900)
    browser.open(f"http://{ADDRESS}:{place}/")
    browser.until("document.querySelectorAll('tbody tr').length === 2")
    assert browser.ask("document.title").endswith("edge on lb-a - Tandem")
    assert server_states(browser) == ["s1 up", "s2 up"]
    assert f"{ADDRESS}:{port}" in browser.ask("document.getElementById('frontends').innerText")
    assert "keepalive does not answer" in browser.ask("document.getElementById('problems').innerText")
    browser.ask("window.sameRow = document.querySelectorAll('tbody tr')[1]; document.getElementById('filter').focus()")
    shops[1].close()
    browser.until("document.querySelectorAll('tbody tr')[1].querySelector('.state').textContent === 'down'")
    assert "Server shop/s2 is down" in browser.until("document.getElementById('said').textContent")
    assert browser.ask("window.sameRow === document.querySelectorAll('tbody tr')[1] && document.activeElement.id === 'filter'")
    assert "edge/shop/s2: down: " in browser.ask("document.getElementById('events').innerText")
    node.run("drain", "edge/shop/s1")
    browser.until("document.getElementById('problems').innerText.includes('no server takes new clients')")
    assert server_states(browser) == ["s1 drain (up)", "s2 down"]
    browser.ask("document.getElementById('filter').value = 'DOWN'; document.getElementById('filter').dispatchEvent(new Event('input'))")
    assert server_states(browser) == ["s2 down"]
    assert browser.console == []


def test_it_says_when_the_node_no_longer_answers_and_goes_on_when_it_does(browser, site):
    node, _port, place, _shops = site
    browser.open(f"http://{ADDRESS}:{place}/")
    browser.until("document.querySelectorAll('tbody tr').length === 2")
    (process,) = node.processes
    process.terminate()
    process.wait(20)
    browser.until("!document.getElementById('stale').hidden && document.getElementById('stale').textContent.includes('does not answer')")
    node.log.write_text("")
    node.start_proxy()
    browser.until("document.getElementById('stale').hidden")


def test_a_keyboard_gets_everywhere_and_a_telephone_needs_no_scrolling_sideways(browser, site):
    _node, _port, place, shops = site
    for width, dark in ((360, True), (1100, False)):
        browser.look(width, 800, dark=dark, telephone=width < 500)
        browser.open(f"http://{ADDRESS}:{place}/")
        browser.until("document.querySelectorAll('tbody tr').length === 2")
        assert browser.ask("document.documentElement.scrollWidth <= window.innerWidth"), width
    browser.press("Tab")
    assert browser.ask("document.activeElement.className") == "skip"
    browser.press("Enter")
    browser.press("Tab")
    assert browser.ask("document.activeElement.closest('main, footer') !== null")
    headings = browser.ask("[...document.querySelectorAll('h1,h2,h3')].filter((one) => one.checkVisibility()).map((one) => Number(one.tagName[1]))")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in zip(headings, headings[1:])), headings
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = [(one["role"]["value"], one.get("name", {}).get("value", "")) for one in tree if not one["ignored"]]
    assert ("table", "Servers of backend shop") in roles
    assert {name for role, name in roles if role == "rowheader"} == {f"s{n} {ADDRESS}:{shop.port}" for n, shop in enumerate(shops, 1)}
    assert [name for role, name in roles if role in ("image", "img") and not name] == []


def test_names_that_look_like_markup_are_text_and_nothing_comes_from_elsewhere(browser, node, shops):
    shop = shops()
    port, place, gone = free_together(3)
    balancer = observed(place)
    node.start_proxy()
    odd = HealthCheck(interval_ms=200, timeout_ms=200, type="http", path="/<script>alert(1)</script>")
    node.load(balancer, backend(shop, Server("gone", ADDRESS, gone), check=odd), frontend(port))
    browser.console.clear()
    browser.open(f"http://{ADDRESS}:{balancer.observe.port}/")
    browser.until("document.querySelectorAll('tbody tr').length === 2")
    until(lambda: browser.ask("performance.getEntriesByType('resource').length") >= 3)
    hosts = browser.ask("[...new Set(performance.getEntriesByType('resource').map((one) => new URL(one.name).host))]")
    assert hosts == [f"{ADDRESS}:{balancer.observe.port}"]
    assert browser.ask("document.scripts.length") == 1
    refused = browser.ask(
        "new Promise((done) => { addEventListener('securitypolicyviolation', (event) => done(event.violatedDirective));"
        " const one = document.createElement('script'); one.textContent = 'window.ran = 1'; document.head.append(one); })"
    )
    assert refused.startswith("script-src")
    assert browser.ask("window.ran === undefined")


def test_the_files_of_the_page_are_what_they_say_they_are(site):
    _node, _port, place, _shops = site
    kinds = {
        "/": "text/html",
        "/app.js": "text/javascript",
        "/style.css": "text/css",
        "/icon.svg": "image/svg+xml",
        "/v1/overview": "application/json",
    }
    for path, kind in kinds.items():
        status, fields, content = ask(place, path)
        assert (status, fields["Content-Type"].partition(";")[0]) == (200, kind), path
        assert content
