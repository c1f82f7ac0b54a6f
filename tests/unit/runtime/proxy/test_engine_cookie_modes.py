"""Sticky sessions by the application's own cookie, and what our own says of where it belongs."""

from __future__ import annotations

import pytest

from tandem._model import Server, Sticky
from tandem.balance.sticky import server_mark
from tests.support.proxy_lab import Lab, Request, in_lab, named, ok


async def application(lab: Lab, *names: str) -> list[Server]:
    """Servers that give a session to who has none, and show the cookies that they get."""

    def at(name: str):
        def answer(request: Request) -> bytes:
            if b"SID=" in request["cookie"]:
                return ok(name.encode() + b" " + request["cookie"])
            return ok(name.encode(), b"set-cookie: SID=of-" + name.encode() + b"; Path=/; HttpOnly", b"Set-Cookie: lang=de; Path=/")

        return answer

    return [Server(name, "127.0.0.1", (await lab.origin(at(name))).port) for name in names]


def cookies(answer) -> list[bytes]:
    return [line.partition(b":")[2].strip() for line in answer.lines if line.lower().startswith(b"set-cookie:")]


@in_lab
async def test_a_mark_before_the_applications_cookie_binds_a_client_and_servers_do_not_see_it(lab: Lab):
    await lab.serve(*await application(lab, "a", "b", "c"), sticky=Sticky(type="cookie", cookie_name="SID", cookie_mode="prefix"))
    first = await (await lab.client()).get()
    name = first.body.decode()
    mark = server_mark("lb/app", name)
    assert sorted(cookies(first)) == sorted([b"SID=%b~of-%b; Path=/; HttpOnly" % (mark, first.body), b"lang=de; Path=/"])
    client = await lab.client()
    for _turn in range(6):
        answer = await client.get("/", f"Cookie: x=y; SID={mark.decode()}~of-{name}; z=1")
        assert answer.body == f"{name} x=y; SID=of-{name}; z=1".encode()
        assert cookies(answer) == []


@in_lab
async def test_the_applications_cookie_in_its_place_binds_a_client(lab: Lab):
    await lab.serve(*await application(lab, "a", "b", "c"), sticky=Sticky(type="cookie", cookie_name="SID", cookie_mode="rewrite"))
    first = await (await lab.client()).get()
    mark = server_mark("lb/app", first.body.decode())
    assert sorted(cookies(first)) == sorted([b"SID=%b; Path=/; HttpOnly" % mark, b"lang=de; Path=/"])
    client = await lab.client()
    for _turn in range(6):
        assert (await client.get("/", f"Cookie: SID={mark.decode()}")).body == first.body + b" SID=" + mark


@pytest.mark.parametrize("content", ["of-a", "0123~of-a", "~", "x" * 16 + "~of-a"])
@in_lab
async def test_a_cookie_that_has_no_mark_passes_as_it_is(lab: Lab, content: str):
    await lab.serve(*await application(lab, "a"), sticky=Sticky(type="cookie", cookie_name="SID", cookie_mode="prefix"))
    answer = await (await lab.client()).get("/", f"Cookie: SID={content}")
    assert answer.body == f"a SID={content}".encode()


@in_lab
async def test_a_cookie_that_is_taken_back_gets_no_mark(lab: Lab):
    origin = await lab.origin(lambda _request: ok(b"", b"Set-Cookie: SID=; Max-Age=0", b"Set-Cookie: SID2=x"))
    await lab.serve(origin, sticky=Sticky(type="cookie", cookie_name="SID", cookie_mode="prefix"))
    assert sorted(cookies(await (await lab.client()).get())) == [b"SID2=x", b"SID=; Max-Age=0"]


@in_lab
async def test_our_cookie_says_where_it_belongs(lab: Lab):
    sticky = Sticky(
        type="cookie", cookie_name="LB", cookie_domain="example.com", cookie_path="/shop", cookie_same_site="none", cookie_secure="always", ttl_ms=0
    )
    await lab.serve(*await named(lab, "a"), sticky=sticky)
    answer = await (await lab.client()).get()
    assert answer["set-cookie"] == b"LB=%b; Path=/shop; Domain=example.com; HttpOnly; SameSite=None; Secure" % server_mark("lb/app", "a")
    await lab.serve(*await named(lab, "a"), sticky=Sticky(type="cookie", cookie_name="LB", cookie_same_site="unset", ttl_ms=0))
    answer = await (await lab.client()).get()
    assert answer["set-cookie"] == b"LB=%b; Path=/; HttpOnly" % server_mark("lb/app", "a")
