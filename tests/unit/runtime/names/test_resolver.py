"""Names found by dnsmasq, by files, and by name servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct

import pytest

from tandem._model import Resolver
from tandem.names.client import Unanswered, ask
from tandem.names.resolver import Found, System, find
from tandem.wire.dns import AAAA, A, Reply, name_to_wire
from tests.support.name_server import NameServer, needs_dnsmasq
from tests.support.origin import run

APP = name_to_wire("app.test")


@pytest.fixture
def name_server(tmp_path):
    server = NameServer(tmp_path, "--cname=www.test,app.test")
    server.knows(app=["192.0.2.1", "192.0.2.2", "2001:db8::1"], six=["2001:db8::6"], many=[f"10.0.{n}.1" for n in range(200)], odd=["0.0.0.0"])
    yield server.start()
    server.stop()


def found(host, server, prefer="ipv4"):
    resolver = Resolver(name_servers=(server if isinstance(server, str) else server.place,), prefer=prefer)
    return asyncio.run(find(host, resolver, System()))


@needs_dnsmasq
def test_the_addresses_of_a_name_are_those_of_the_family_that_is_preferred_or_of_the_other_one(name_server):
    for host in ("app.test", "APP.test.", "www.test"):
        assert sorted(found(host, name_server).addresses) == ["192.0.2.1", "192.0.2.2"]
        assert found(host, name_server, "ipv6").addresses == ("2001:db8::1",)
    assert found("app.test", name_server).ttl_s == 1
    assert found("six.test", name_server).addresses == ("2001:db8::6",)


@needs_dnsmasq
def test_an_answer_that_does_not_fit_into_a_datagram_is_fetched_over_tcp(name_server):
    assert len(set(found("many.test", name_server).addresses)) == 200


@needs_dnsmasq
def test_a_name_that_is_not_there_is_certain_not_to_be_there_and_one_that_nobody_knows_of_is_not(name_server):
    who = f"127.0.0.1 port {name_server.port}"
    assert found("none.test", name_server) == Found((), 0, f"NXDOMAIN from {who} for none.test")
    assert found("odd.test", name_server).why == f"odd.test has no address, says {who}"  # of IPv6, which was asked for last
    with pytest.raises(Unanswered, match=rf"REFUSED from {name_server.place}"):
        found("app.example.com", name_server)


@needs_dnsmasq
def test_the_next_name_server_is_asked_when_one_does_not_answer(name_server):
    name_server.stop()
    dead = name_server.place
    with pytest.raises(Unanswered, match=f"{dead}: Connection refused"):
        found("app.test", dead)
    name_server.start()
    resolver = Resolver(name_servers=("127.0.0.2:9", name_server.place))
    assert len(asyncio.run(find("app.test", resolver, System())).addresses) == 2


def files(tmp_path, hosts="", resolv_conf=""):
    for name, text in (("hosts", hosts), ("resolv.conf", resolv_conf)):
        (tmp_path / f"{name}.new").write_text(text)
        os.replace(tmp_path / f"{name}.new", tmp_path / name)
    return System(str(tmp_path / "hosts"), str(tmp_path / "resolv.conf"))


class Answers:
    """Instead of name servers: (address, name, kind) -> what it says, and who was asked."""

    def __init__(self, **says):
        self.says, self.asked = says, []

    async def ask(self, place, name, kind, timeout_s):
        text = name[1:-1].decode().replace("\x03", ".").replace("\x04", ".").replace("\x02", ".")
        self.asked.append((place[0], text, kind))
        said = self.says.get(text.replace(".", "_"))
        if isinstance(said, str):
            raise Unanswered(said)
        if said is None:
            return Reply(3, False, (), 0, b"", 60, referral=False)
        return said if isinstance(said, Reply) else Reply(0, False, tuple(said if kind == A else ()), 30, b"", None, referral=False)


@run
async def test_hosts_come_first_and_are_read_again_when_they_change(tmp_path):
    system, answers = files(tmp_path, "192.0.2.9 app\n2001:db8::9 app\n", "nameserver 192.0.2.53\n"), Answers(app=["192.0.2.7"])
    assert await system.has_changed()
    assert not await system.has_changed()
    for prefer, address in (("ipv4", "192.0.2.9"), ("ipv6", "2001:db8::9")):
        assert (await find("app", Resolver(prefer=prefer), system, answers.ask)).addresses == (address,)
    assert answers.asked == []
    files(tmp_path, "", "nameserver 192.0.2.53\n")
    assert (await find("app", Resolver(), system, answers.ask)).addresses == ("192.0.2.7",)
    os.remove(tmp_path / "resolv.conf")
    os.remove(tmp_path / "hosts")
    assert await system.has_changed()
    assert (await find("app", Resolver(), system, answers.ask)).addresses == ("192.0.2.7",)
    assert [place for place, _name, _kind in answers.asked] == ["192.0.2.53", "127.0.0.1"]


@run
async def test_the_search_list_is_gone_through_until_there_is_an_address_and_not_past_a_name_that_nobody_could_tell_of(tmp_path):
    system = files(tmp_path, "", "nameserver 192.0.2.53\nsearch one.test two.test\n")
    answers = Answers(app_two_test=["192.0.2.2"], app=["192.0.2.3"])
    assert (await find("app", Resolver(), system, answers.ask)).addresses == ("192.0.2.2",)
    assert [name for _place, name, _kind in answers.asked] == ["app.one.test", "app.two.test"]
    answers = Answers(app_one_test="SERVFAIL", app_two_test=["192.0.2.2"])
    with pytest.raises(Unanswered, match="SERVFAIL"):
        await find("app", Resolver(), system, answers.ask)
    assert (await find("nobody", Resolver(), system, Answers().ask)).why == "NXDOMAIN from 192.0.2.53 for nobody"
    assert (await find("app", Resolver(name_servers=("192.0.2.54",)), system, Answers(app=["192.0.2.4"]).ask)).addresses == ("192.0.2.4",)


@run
async def test_names_of_the_host_itself_are_never_asked_for():
    """RFC 6761 6.3."""
    answers = Answers()
    for host, prefer, address in (("localhost", "ipv4", "127.0.0.1"), ("app.localhost.", "ipv6", "::1")):
        assert (await find(host, Resolver(prefer=prefer), System(), answers.ask)).addresses == (address,)
    assert answers.asked == []


@run
async def test_an_alias_is_followed_by_us_where_the_server_does_not_and_not_for_ever():
    def alias(target):
        return Reply(0, False, (), 0, name_to_wire(target), None, referral=False)

    resolver = Resolver(name_servers=("192.0.2.53",))
    answers = Answers(app_test=alias("b.test"), b_test=["192.0.2.2"])
    answers.says["b_test"] = Reply(0, False, ("192.0.2.2",), 30, b"", None, referral=False)

    async def asking(place, name, kind, timeout_s):
        return answers.says["b_test"] if name == name_to_wire("b.test") else answers.says["app_test"]

    assert (await find("app.test", resolver, System(), asking)).addresses == ("192.0.2.2",)
    answers.says["b_test"] = alias("app.test")
    with pytest.raises(Unanswered, match="without an end"):
        await find("app.test", resolver, System(), asking)


class Liar(asyncio.DatagramProtocol):
    """Answers each question with what ``says`` makes of it."""

    def __init__(self, says):
        self.says = says

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        for answer in self.says(data):
            self.transport.sendto(answer, addr)


@contextlib.asynccontextmanager
async def lying(says):
    transport, _liar = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Liar(says), ("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")
    finally:
        transport.close()


def true_answer(data, address=bytes([192, 0, 2, 1])):
    flags = struct.pack("!5H", 0x8180, 1, 1, 0, 0)
    return data[:2] + flags + data[12:] + b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 30, 4) + address


@run
async def test_a_guess_is_not_believed_and_the_true_answer_that_follows_it_is():
    def guessing(data):
        other_number = bytes([data[0] ^ 1]) + data[1:]
        other_name = data.replace(b"app", b"api")
        yield true_answer(other_number, bytes([6, 6, 6, 6]))
        yield true_answer(other_name, bytes([6, 6, 6, 6]))
        yield true_answer(data)

    async with lying(guessing) as place:
        assert (await ask(place, APP, A, 5.0)).addresses == ("192.0.2.1",)


@run
async def test_who_sends_nothing_but_guesses_or_rubbish_or_nothing_at_all_has_not_answered():
    for says, why, timeout_s in (
        (lambda data: [true_answer(bytes(2) + data[2:]) if data[:2] != bytes(2) else b""] * 150, "none of what came was for our question", 5.0),
        (lambda data: [true_answer(data)[:-2]], "cannot be read: data without an end", 5.0),
        (lambda data: [data[:2] + struct.pack("!5H", 0x8182, 1, 0, 0, 0) + data[12:]], "SERVFAIL from", 5.0),
        (lambda data: [data[:2] + struct.pack("!5H", 0x8380, 1, 0, 0, 0) + data[12:]], "Connection refused", 5.0),
        (lambda data: [], r"no answer from .* within 0.05 s", 0.05),
    ):
        async with lying(says) as place:
            with pytest.raises(Unanswered, match=why):
                await ask(place, APP, A, timeout_s)


@run
async def test_each_question_has_a_number_and_a_port_of_its_own():
    seen = []

    class Noting(Liar):
        def datagram_received(self, data, addr):
            seen.append((data[:2], addr[1]))
            super().datagram_received(data, addr)

    transport, _liar = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Noting(lambda data: [true_answer(data)]), ("127.0.0.1", 0))
    for _question in range(20):
        await ask(transport.get_extra_info("sockname"), APP, A, 5.0)
    transport.close()
    assert len({number for number, _port in seen}) > 15
    assert len({port for _number, port in seen}) > 10


@run
async def test_a_question_for_the_other_family_is_not_answered_by_an_address_of_this_one():
    async with lying(lambda data: [true_answer(data)]) as place:
        assert (await ask(place, APP, AAAA, 5.0)).addresses == ()
