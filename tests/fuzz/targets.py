"""What must hold whatever bytes arrive. A target raises AssertionError where it does not; any other exception is a mistake in the reader."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import ssl
from collections.abc import Callable
from typing import Any, Optional

from tandem._model import HeaderRule
from tandem._model import _pem as pem
from tandem._model import _x509 as x509
from tandem.http.chunked import ChunkedBody
from tandem.http.fields import list_of
from tandem.http.head import BadMessage, HeadBuffer
from tandem.http.header_rules import HeaderRules, matchers_of, rules_of
from tandem.http.passing import Passing
from tandem.http.path_rewrite import Rewrite
from tandem.http.request import Request, read_request
from tandem.http.response import Response, read_response
from tandem.http.write import request_head, response_head
from tandem.http.writing import MessageRules, Rewriting
from tandem.wire.clienthello import HELLO_BYTES_MAX, Hello, HelloReader, NoHello
from tandem.wire.dns import AAAA, A, Malformed, name_to_text, name_to_wire, read_reply
from tandem.wire.proxy_protocol import V2_BYTES_MAX, Header, HeaderReader, NoHeader, write_v1, write_v2
from tests.fuzz.checks import checks
from tests.fuzz.common import in_pieces, shown
from tests.fuzz.rules import expressions, rules

NAMES = (name_to_wire("app.test"), name_to_wire("www.app.test"))
PASSINGS = [
    Passing(b"192.0.2.7"),
    Passing(b"2001:db8::7", b"https", "append", underscores=True, upgrades=frozenset({b"websocket", b"h2c"})),
    Passing(b"192.0.2.7", mode="none", via=False),
]
WRITTEN = [
    HeaderRule("set", "x-CLIENT", "%{client_address}"),
    HeaderRule("set", "X-Target", "%{target}"),
    HeaderRule("set", "X-Echo", "%{header:Host}%{header:Accept}%{cookie:a}%{query}"),
    HeaderRule("set", "Host", "%{server}.internal"),
    HeaderRule("remove", "Accept", path_prefix="/a"),
]
RULES = MessageRules(
    HeaderRules(rules_of(WRITTEN, {}, matchers_of(WRITTEN, {}))), HeaderRules([]), [Rewrite(b"/a", b"/b")], their_cookie=b"a", keep=True
)
SERVER = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # it needs no certificate to find the name that is asked for
COOKIE, LOCAL = b"TANDEM", b"192.0.2.1:80"
# What we add could make a head too large for such a reader; that is another matter.
ROOM = 6000
FIELDS_ROOM = 90


def head_in(pieces: list[bytes], requests: bool) -> Optional[bytes]:
    """The first head; b"" while it is not whole, None where it is refused, by who finds it or by who reads it."""
    buffer = HeadBuffer(requests)
    try:
        for piece in pieces:
            head = buffer.take(piece)
            if head:
                read_request(head) if requests else read_response(head, b"GET")
                return head
    except BadMessage:
        return None
    return b""


def same_head(data: bytes, requests: bool) -> bytes:
    """The head in ``data``, b"" if there is none that could be read; it is the same whole and in pieces."""
    pieces, whole = in_pieces(data)
    head = head_in([whole], requests)
    assert head == head_in(pieces, requests), "another head whole than in pieces"
    return head or b""


def requests(data: bytes) -> None:
    """What is accepted reads the same after we have written it."""
    head = same_head(data, True) if data else b""
    if not head or len(head) > ROOM or head.count(b"\n") > FIELDS_ROOM:
        return
    request = read_request(head)
    assert read_request(head, request) is request
    other = b"PUT /other HTTP/1.%d\r\n" % request.fields.minor + head[request.fields.fields_start :]
    assert outcome(other, request) == outcome(other, None), "another request with a former one than without"
    for passing in PASSINGS:
        same_request(request, passing)
        same_by_rules(request, passing)


def meaning(request: Request) -> tuple[object, ...]:
    fields = request.fields
    return (request.method, request.target, fields.length, fields.chunked, fields.takes_trailers, fields.expects_continue, fields.trailer)


def outcome(head: bytes, former: Optional[Request]) -> object:
    try:
        return meaning(read_request(head, former))
    except BadMessage as bad:
        return bad.status


def same_request(request: Request, passing: Passing) -> None:
    written = request_head(request, passing, COOKIE, LOCAL)
    assert head_in([written], True) == head_in([written[at : at + 1] for at in range(len(written))], True) == written, "not one head"
    again = read_request(written)
    assert meaning(again) == meaning(request), (meaning(request), meaning(again))
    fields = again.fields
    assert fields.host == (request.fields.host or (LOCAL if request.fields.lacks_host else b"")), "another host"
    asked = {protocol.lower() for protocol in list_of(fields.upgrade)}
    assert asked <= passing.upgrades & {protocol.lower() for protocol in list_of(request.fields.upgrade)}, "another upgrade"
    assert COOKIE not in [pair.partition(b"=")[0].strip() for pair in fields.cookie.split(b";")], "the sticky cookie"
    assert fields.keep_alive
    if passing.mode == "replace":
        assert fields.forwarded_for == passing.client, "another client"
        assert not fields.forwarded
    if not passing.underscores:
        assert not fields.look_alike_cuts, "a look-alike"


def same_by_rules(request: Request, passing: Passing) -> None:
    """Rules write what they say, once, and nothing that a request carries becomes more than a value."""
    try:
        written = Rewriting(RULES, request, passing, LOCAL, b"id").to_server("s1")
    except BadMessage:
        assert b"." in request.target or b"%2" in request.target.lower(), "a path that could be rewritten"
        return
    again = read_request(written)
    assert (again.method, framing_of(again)) == (request.method, framing_of(request)), "another frame"
    assert again.fields.host == b"s1.internal"
    assert again.fields.values_of(b"x-client") == [passing.client]
    assert again.fields.values_of(b"x-target") == [request.target]
    assert len(again.fields.values_of(b"x-echo")) <= 1


def framing_of(request: Request) -> tuple[object, ...]:
    fields = request.fields
    return (fields.length, fields.chunked, fields.trailer, fields.expects_continue)


def responses(data: bytes) -> None:
    """The same of responses."""
    head = same_head(data, False) if data else b""
    if not head or len(head) > ROOM or head.count(b"\n") > FIELDS_ROOM:
        return
    for method in (b"GET", b"HEAD"):
        response = read_response(head, method)
        assert read_response(head, method, response) is response
        for connection in (b"", b"close", b"keep-alive"):
            written = response_head(response, connection, b"Set-Cookie: a=b\r\n")
            assert head_in([written], False) == head_in([written[at : at + 1] for at in range(len(written))], False) == written, "not one head"
            again = read_response(written, method)
            assert framing(again) == framing(response), (framing(response), framing(again))
            assert again.keep_alive == (connection != b"close" and not again.until_close)


def framing(response: Response) -> tuple[object, ...]:
    return (response.status, response.length, response.chunked, response.until_close, response.upgrade, response.trailer, response.has_date)


def chunked_bodies(data: bytes) -> None:
    """A body is the same whole and in pieces; what we write is read strictly, and says what an independent reader finds in what came."""
    if not data:
        return
    pieces, whole = in_pieces(data)
    padded, trailers = bool(data[0] & 16), bool(data[0] & 32)
    framed = chunked([whole], trailers=trailers, padded=padded)
    assert framed == chunked(pieces, trailers=trailers, padded=padded), "another body whole than in pieces"
    bare = chunked([whole], framed=False, trailers=trailers, padded=padded)
    assert bare == chunked(pieces, framed=False, trailers=trailers, padded=padded)
    assert (framed is None) == (bare is None)
    if framed is None or bare is None or framed[1] < 0:
        return
    assert framed[1] == bare[1], "another end"
    assert chunked([framed[0]]) == (framed[0], len(framed[0])), "what we write is not what we read"
    assert chunked([framed[0]], framed=False) == (bare[0], len(framed[0]))
    assert leniently(whole) == bare[0], "another content than an independent reader finds"


def chunked(pieces: list[bytes], **options: bool) -> Optional[tuple[bytes, int]]:
    """(what passes, where the body ends or -1); None where it is refused."""
    body, out, before = ChunkedBody(**options), b"", 0
    try:
        for piece in pieces:
            passed, used = body.feed(piece)
            out += b"".join(passed)
            if used >= 0:
                return out, before + used
            before += len(piece)
    except BadMessage:
        return None
    return out, -1


def leniently(data: bytes) -> bytes:
    """The content of a chunked body by a reader that knows nothing of ours."""
    content = b""
    while True:
        line, _end, data = data.partition(b"\r\n")
        digits = re.match(rb"[0-9a-fA-F]+", line)
        size = int(digits[0], 16) if digits else 0
        if not size:
            return content
        content, data = content + data[:size], data[size + 2 :]


def client_hellos(data: bytes) -> None:
    """A hello is the same whole and in pieces, what is in it is fit for use, and who gets it reads the same name in it."""
    if not data:
        return
    pieces, whole = in_pieces(data)
    hello = hello_in([whole])
    assert hello == hello_in(pieces), "another hello whole than in pieces"
    if hello is None:
        assert len(whole) < HELLO_BYTES_MAX, "over the limit"
    elif isinstance(hello, Hello):
        name = hello.server_name
        assert re.fullmatch(r"(?:[0-9a-z_-]{1,63}(?:\.[0-9a-z_-]{1,63})*)?", name) and len(name) <= 253, name
        assert all(hello.alpn)
        assert hello.versions
        assert openssl_name(whole) in (name, NOT_READ), "another name than OpenSSL reads"


NOT_READ = "(not read)"


def openssl_name(data: bytes) -> str:
    """The name that OpenSSL finds, as we write it, "" where it finds none; NOT_READ where it refuses the hello before it looks for one."""
    found = [NOT_READ]

    def note(_socket: object, name: Optional[str], _context: object) -> None:
        found.append("" if name is None or is_address(name) else name.lower().removesuffix("."))

    SERVER.sni_callback = note
    incoming = ssl.MemoryBIO()
    incoming.write(data)
    with contextlib.suppress(ssl.SSLError):
        SERVER.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True).do_handshake()
    return found[-1]


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removesuffix("."))
    except ValueError:
        return False
    return True


def hello_in(pieces: list[bytes]) -> object:
    reader = HelloReader()
    try:
        for piece in pieces:
            hello = reader.feed(piece)
            if hello is not None:
                return hello
    except NoHello:
        return NoHello
    return None


def certificates(data: bytes) -> None:
    """Bytes are a certificate or a revocation list whose parts can be shown and written, or they are refused in words."""
    read(x509.read_certificate, data, names_are_fit)
    read(x509.read_revocations, data, lambda one: shown(one.issuer))
    pem_options(x509.pem_of("CERTIFICATE", data))
    pem_options(x509.pem_of("X509 CRL", data))


def read(reader: Callable[[bytes], Any], data: bytes, holds: Callable[[Any], None]) -> None:
    try:
        one = reader(data)
    except x509.Malformed as malformed:
        assert str(malformed).startswith(("which ", "in which ")), malformed  # it goes on a sentence
    else:
        holds(one)


def names_are_fit(one: x509.Certificate) -> None:
    shown(one.subject, one.issuer, *one.names, pem.utc(one.not_before_s), pem.utc(one.not_after_s))
    assert all(name == name.lower() for name in one.names)


def pem_texts(data: bytes) -> None:
    """The same of texts, as a user gives them."""
    pem_options(data.decode("utf-8", "surrogateescape"))


def pem_options(text: str) -> None:
    """Each option takes a text in a normal form, which stays what it is and can be shown, or refuses it with a rule and a way out."""
    for option, show in (
        (pem.chain, pem.chain_shown),
        (pem.authorities, pem.authorities_shown),
        (pem.revocations, pem.revocations_shown),
        (pem.private_key, None),
    ):
        try:
            taken = option(text)
        except ValueError as refusal:
            rule, way_out = refusal.args
            shown(rule, way_out)
            continue
        assert option(taken) == taken, "a normal form that is not normal"
        assert taken.isascii()
        if show is not None:
            told = show(taken)
            shown(*(told if isinstance(told, list) else [] if isinstance(told, str) else [told["subject"], *told["names"], *told["chain"]]))


def dns_replies(data: bytes) -> None:
    """A reply is to the question that was asked, and has addresses of the kind that was asked for, or it is refused."""
    name, kind = NAMES[data[:1] > b"\x7f"], (A, AAAA)[data[:1] > b"\x3f"]
    message = data[1:]
    number = int.from_bytes(message[:2], "big")
    try:
        reply = read_reply(message, number, name, kind)
    except Malformed:
        return
    if reply is None:
        return
    assert message[2] & 0x80, "a question taken for an answer"
    assert len(message) < 12 + len(name) or message[12 : 12 + len(name)].lower() == name or not reply.addresses, "the answer to another question"
    for address in reply.addresses:
        assert ipaddress.ip_address(address).version == (4 if kind == A else 6)
    assert 0 <= reply.ttl_s <= 2**31
    assert reply.denied_s is None or 0 <= reply.denied_s < 2**31
    assert len(reply.alias) <= 255
    shown(name_to_text(reply.alias))


def proxy_headers(data: bytes) -> None:
    """A header is the same whole and in pieces, nothing behind it is taken, and what it says can be said again."""
    if not data:
        return
    pieces, whole = in_pieces(data)
    found = proxy_header_in([whole])
    assert found == proxy_header_in(pieces), "another header whole than in pieces"
    if found is None:
        assert len(whole) < V2_BYTES_MAX, "over the limit"
    elif isinstance(found, tuple):
        header, size = found
        assert proxy_header_in([whole[:size]]) == found, "it needs more than it takes"
        shown(header.extras.authority, header.extras.client_cn, header.extras.tls_version, header.extras.cipher)
        if header.source:
            four = (header.source, header.source_port, header.destination, header.destination_port)
            assert same_addresses(write_v1(*four), header), "other addresses in version 1"
            assert same_addresses(write_v2(*four, header.extras), header), "other addresses in version 2"


def same_addresses(written: bytes, header: Header) -> bool:
    again = proxy_header_in([written])
    assert isinstance(again, tuple)
    named = [(one.source, one.source_port, one.destination, one.destination_port) for one in (again[0], header)]
    return again[1] == len(written) and named[0] == named[1]


def proxy_header_in(pieces: list[bytes]) -> object:
    """(the header, where it ends); None while it is not whole, and the class of what was raised."""
    reader, used = HeaderReader(), 0
    try:
        for piece in pieces:
            used += reader.feed(piece)
            if reader.header is not None:
                return reader.header, used
    except NoHeader:
        return NoHeader
    return None


TARGETS: dict[str, Callable[[bytes], None]] = {
    "checks": checks,
    "requests": requests,
    "responses": responses,
    "chunked_bodies": chunked_bodies,
    "client_hellos": client_hellos,
    "proxy_headers": proxy_headers,
    "certificates": certificates,
    "pem_texts": pem_texts,
    "dns_replies": dns_replies,
    "rules": rules,
    "expressions": expressions,
}
