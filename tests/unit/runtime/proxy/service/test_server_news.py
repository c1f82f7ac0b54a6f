"""Who went up or down: told once to each who asks, in order, and never more than is kept."""

from __future__ import annotations

from tandem.proxy.service import server_news
from tandem.proxy.service.server_news import ServerNews


def test_whoever_asks_is_told_what_has_happened_since_and_a_new_server_that_is_up_is_no_news():
    news = ServerNews()
    first = news.now
    news.take({"edge/shop": {"a": True, "b": False}})
    place, told = news.since(first)
    assert told == [("edge/shop", "b", False)]
    assert news.since(place) == (place, [])
    news.take({"edge/shop": {"a": False, "b": True}})
    assert news.since(place)[1] == [("edge/shop", "a", False), ("edge/shop", "b", True)]
    assert [len(news.since(one)[1]) for one in (first, news.now)] == [3, 0]


def test_news_are_bounded_and_told_in_pieces(monkeypatch):
    monkeypatch.setattr(server_news, "_TOLD_AT_ONCE", 400)
    news = ServerNews()
    news.take({"edge/shop": {f"s{number}": False for number in range(1500)}})
    place, count = 0, 0
    while True:
        place, told = news.since(place)
        if not told:
            break
        count += len(told)
        assert len(told) <= 400
    assert count == 1000


def test_of_a_backend_that_is_gone_nothing_is_known():
    news = ServerNews()
    news.take({"edge/shop": {"a": False}})
    news.forget_all_but({})
    news.take({"edge/shop": {"a": True}})
    assert news.since(1)[1] == []
