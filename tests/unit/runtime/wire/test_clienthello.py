"""ClientHellos, those of OpenSSL and others, in whatever pieces they come: what is read in them, what is refused and when."""

from __future__ import annotations

import datetime
import random
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tandem.wire.clienthello import HELLO_BYTES_MAX, Hello, HelloReader, NoHello
from tests.support import client_hellos as made

PROTOCOLS = [f"protocol-{number}" for number in range(400)]


def client(version: ssl.TLSVersion, *protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.test")])
    today = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), today, today + datetime.timedelta(days=1))
    path = tmp_path_factory.mktemp("tls") / "a.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(form[0]) + key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def session_with(server: ssl.SSLContext, context: ssl.SSLContext) -> ssl.SSLSession:
    """A session that can be resumed, from a whole connection in memory."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = context.wrap_bio(down, up, server_hostname="a.test"), server.wrap_bio(up, down, server_side=True)
    for step in (ours.do_handshake, theirs.do_handshake, ours.do_handshake, theirs.do_handshake, ours.do_handshake):
        try:
            step()
        except ssl.SSLWantReadError:
            continue
    theirs.write(b"x")  # behind it, in TLS 1.3, the tickets have been read
    assert ours.read(1) == b"x"
    assert ours.session.has_ticket
    return ours.session


def read(pieces: list[bytes]) -> object:
    """The hello in what comes in these pieces, None while it is not whole, or the class of what was raised."""
    reader = HelloReader()
    try:
        for number, piece in enumerate(pieces):
            hello = reader.feed(piece)
            if hello is not None:
                assert not any(pieces[number + 1 :]), "a hello before its last byte"
                return hello
    except NoHello:
        return NoHello
    return None


def refusal(data: bytes) -> str:
    with pytest.raises(NoHello) as refused:
        HelloReader().feed(data)
    return str(refused.value)


def in_bytes(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def holds_however_cut(data: bytes, wanted: Hello) -> None:
    assert read([data]) == wanted
    assert read(in_bytes(data)) == wanted
    for at in range(len(data)):
        assert read([data[:at], data[at:]]) == wanted, at
        assert read([data[:at]]) is None, at
    for size in (1, 2, 3, 5, 77, 1000):
        recut = made.records(data[5:], size)
        assert read([recut]) == wanted, size
        assert read(in_bytes(recut)) == wanted, size


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", [None, "shop.example.test"])
@pytest.mark.parametrize("protocols", [[], ["h2", "http/1.1"], PROTOCOLS], ids=["no ALPN", "ALPN", "long ALPN"])
def test_a_hello_of_openssl_is_read_however_it_is_cut(version, name, protocols):
    data = made.of_openssl(client(version, *protocols), name)
    holds_however_cut(data, Hello(name or "", tuple(protocol.encode() for protocol in protocols), (int(version),)))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_hello_that_resumes_by_a_ticket_is_read_however_it_is_cut(server, version):
    context = client(version, "h2")
    session = session_with(server, context)
    data = made.of_openssl(context, "a.test", session)
    assert len(data) > len(made.of_openssl(context, "a.test")) + 100
    holds_however_cut(data, Hello("a.test", (b"h2",), (int(version),)))


def test_a_hello_like_chromiums_with_ech_grease_and_a_post_quantum_key_is_read_however_it_is_cut():
    data = made.like_chromium()
    assert len(data) > 1400
    holds_however_cut(data, Hello("shop.example.test", (b"h2", b"http/1.1"), (made.GREASE, 0x0304, 0x0303)))


def test_every_damaged_byte_is_refused_or_read_or_waits_for_bytes_that_never_make_it_something_else(server):
    context = client(ssl.TLSVersion.TLSv1_3, "h2", "http/1.1")
    resumed = made.of_openssl(context, "a.test", session_with(server, context))
    for data in (
        made.like_chromium(),
        resumed,
        made.of_openssl(client(ssl.TLSVersion.TLSv1_2), "a.test"),
        made.records(made.like_chromium()[5:], 40),
    ):
        for at in range(len(data)):
            for value in {data[at] ^ 1, data[at] ^ 0x80, (data[at] + 1) % 256, 0, 255} - {data[at]}:
                damaged = data[:at] + bytes([value]) + data[at + 1 :]
                outcome = read([damaged])
                if outcome is None:  # it announces more than there is
                    outcome = read([damaged + made.records(b"\0" * HELLO_BYTES_MAX)])
                assert outcome is NoHello or isinstance(outcome, Hello), (at, value, outcome)
                cut = at // 2
                assert outcome is NoHello or read([damaged[:cut], damaged[cut:]]) in (outcome, None), (at, value)


def test_every_truncation_that_says_it_is_whole_is_refused_or_has_a_part_of_the_extensions():
    content = made.like_chromium()[9:]
    fixed = len(made.body(None, session_id=bytes(32), ciphers=bytes(32)))
    whole = read([made.like_chromium()])
    for end in range(len(content)):
        # Its record and its message end here; what is inside says otherwise, and then the extensions do not.
        assert read([made.records(made.message(content[:end]))]) == (Hello("", (), (0x0303,)) if end == fixed else NoHello), end
        if end >= fixed + 2:
            outcome = read([made.hello(content[fixed + 2 : end], session_id=bytes(32), ciphers=bytes(32))])
            assert outcome is NoHello or (isinstance(outcome, Hello) and outcome.server_name in ("", whole.server_name)), end


@pytest.mark.parametrize("seed", range(20))
def test_what_is_fed_by_chance_is_refused_or_read_in_the_same_way_however_it_is_cut(seed):
    chance = random.Random(seed)
    sources = [made.like_chromium(), made.with_ticket(), made.records(made.with_ticket()[5:], 9), made.hello(None)]
    for _turn in range(200):
        data = bytearray(chance.choice(sources))
        for _damage in range(chance.randrange(1, 6)):
            at, size = chance.randrange(len(data)), chance.choice([0, 1, 1, 2, 40])
            data[at : at + size] = chance.choice([b"", chance.randbytes(size), bytes(size), bytes(data[:9]), b"\xff\xff"])
            data = data or bytearray(b"\x16")
        stream, pieces = bytes(data), []
        at = 0
        while at < len(stream):
            step = chance.choice([1, 2, 5, 100])
            pieces.append(stream[at : at + step])
            at += step
        reader, outcome = HelloReader(), None
        try:
            for piece in pieces:
                outcome = outcome or reader.feed(piece)
        except NoHello:
            outcome = NoHello
        assert read([stream]) == outcome, stream


FIXED = made.body(None)
WRONG = {
    "a plain request": (b"GET / HTTP/1.1\r\n", 1, "not TLS"),
    "SSLv2": (bytes.fromhex("802e0103010015000000100100"), 1, "SSLv2"),
    "an alert first": (made.records(b"\x02\x28", kind=21), 1, "handshake"),
    "a change of cipher spec first": (made.records(b"\x01", kind=20) + made.hello(b""), 1, "handshake"),
    "application data first": (made.records(b"x", kind=23), 1, "handshake"),
    "RFC 8446 5.1: a record of another type in the middle": (made.records(made.message(FIXED), 20)[:25] + b"\x15\x03\x01\0\2\1\0", 26, "type 21"),
    "a record of version 2": (b"\x16\x02\0\0\x05", 2, "version 2"),
    "RFC 8446 5.1: an empty record": (b"\x16\x03\x01\0\0", 5, "0 bytes"),
    "RFC 8446 5.1: a record over 16 KiB": (b"\x16\x03\x01\x40\x01", 5, "16385"),
    "another message": (made.records(made.message(FIXED, 2)), 6, "type 2"),
    "a message too short for a version": (made.records(b"\x01\0\0\1\3"), 9, "middle"),
    "a message of version 2": (made.hello(None, version=0x0200), 11, "version 2.0"),
    "a session id of 33 bytes": (made.hello(None, session_id=bytes(33)), 44, "33"),
    "no cipher suites": (made.hello(None, ciphers=b""), 46, "cipher"),
    "an odd number of bytes of cipher suites": (made.hello(None, ciphers=b"\x13\x01\x13"), 46, "cipher"),
    "no compression methods": (made.hello(None, methods=b""), 49, "compression"),
    "RFC 5246 7.4.1.2: no null compression": (made.hello(None, methods=b"\1"), 50, "compression"),
    "one byte behind the compression methods": (made.records(made.message(FIXED + b"\0")), 50, "middle"),
    "extensions longer than the message": (made.records(made.message(FIXED + b"\0\5\0\0\0\0")), 52, "extensions"),
    "extensions shorter than the message": (made.records(made.message(FIXED + b"\0\0\0\0\0\0")), 52, "extensions"),
    "an extension longer than the extensions": (made.hello(b"\0\5\0\1"), 56, "middle"),
    "the head of an extension cut off": (made.hello(b"\0\5\0"), 52, "middle"),
    "RFC 8446 4.2: an extension twice": (made.hello(made.server_name(b"a") * 2), 66, "twice"),
    "RFC 8446 4.2.11: an extension behind pre_shared_key": (made.hello(made.extension(41) + made.extension(5)), 60, "pre_shared_key"),
    "something behind the message in its record": (made.records(made.message(FIXED) + b"\x01"), 50, "behind"),
}


@pytest.mark.parametrize(("data", "size", "word"), WRONG.values(), ids=WRONG)
def test_what_cannot_become_a_hello_is_refused_with_the_byte_that_says_so(data, size, word):
    assert read([data[: size - 1]]) is None
    assert word in refusal(data[:size])
    assert word in refusal(data)


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (b"Shop.EXAMPLE.test", "shop.example.test"),
        (b"example.test.", "example.test"),
        (b"localhost", "localhost"),
        (b"xn--bcher-kva.example", "xn--bcher-kva.example"),
        (b"my_app.example.test", "my_app.example.test"),
        (b"a" * 63 + b".test", "a" * 63 + ".test"),
        (b".".join([b"a" * 50] * 4) + b"." + b"b" * 49, ".".join(["a" * 50] * 4) + "." + "b" * 49),
        (b"192.0.2.1", ""),
        (b"192.0.2.1.", ""),
        (b"2001:db8::1", ""),
    ],
)
def test_a_server_name_is_given_as_it_is_compared_and_an_address_is_none_RFC_6066_3(sent, wanted):
    assert read([made.hello(made.server_name(sent))]) == Hello(wanted, (), (0x0303,))


BAD_NAMES = [b"", b".", b"a..b", b".a", b"a..", b"a b", b"a/b", b"a:443", b"*.a.test", b"a\0.test", b"b\xc3\xbccher.example", b"[::1]", b"a\n"]


@pytest.mark.parametrize("sent", [*BAD_NAMES, b"a" * 64 + b".test", b"a." * 127 + b"a", b"\xff"])
def test_a_server_name_that_is_no_host_name_is_refused(sent):
    assert "host name" in refusal(made.hello(made.server_name(sent)))


def test_server_names_of_types_to_come_are_passed_over_and_no_type_comes_twice_RFC_6066_3():
    host, other = b"\0" + made.sized(2, b"a.test"), b"\7" + made.sized(2, b"\xff")
    for names, wanted in ((other, ""), (other + host, "a.test"), (host + other, "a.test")):
        assert read([made.hello(made.extension(0, made.sized(2, names)))]) == Hello(wanted, (), (0x0303,))
    for names in (host + host, other + other, b"", host[:-1], host + b"\7", host + b"\7\0"):
        assert read([made.hello(made.extension(0, made.sized(2, names)))]) is NoHello, names
    for content in (b"", b"\0", made.sized(2, host) + b"\0", b"\0\1" + host):
        assert read([made.hello(made.extension(0, content))]) is NoHello, content


def test_the_protocols_of_alpn_are_what_was_sent_RFC_7301_3_1():
    assert read([made.hello(made.alpn(b"\x8a\x8a", b"h2", b"x" * 255))]) == Hello("", (b"\x8a\x8a", b"h2", b"x" * 255), (0x0303,))
    for content in (b"", b"\0\0", b"\0\1\0", b"\0\3\2h", b"\0\3\1h\0", b"\0\2\2h", made.sized(2, b"\2h2") + b"\0"):
        assert read([made.hello(made.extension(made.ALPN, content))]) is NoHello, content


def test_the_versions_are_those_of_the_extension_and_without_it_tls_1_2_at_most_RFC_8446_4_2_1():
    for version, wanted in ((0x0300, 0x0300), (0x0301, 0x0301), (0x0303, 0x0303), (0x0304, 0x0303), (0x03FF, 0x0303)):
        assert read([made.hello(None, version=version)]) == read([made.hello(b"", version=version)]) == Hello("", (), (wanted,))
    assert read([made.hello(made.supported_versions(0x0304), version=0x0301)]) == Hello("", (), (0x0304,))
    for content in (b"", b"\0", b"\1\3", b"\2\3\4\0", b"\4\3\4", b"\3\3\4\3"):
        assert read([made.hello(made.extension(made.SUPPORTED_VERSIONS, content))]) is NoHello, content


def test_tickets_padding_and_unknown_extensions_are_passed_over():
    assert read([made.with_ticket()]) == Hello("a.test", (), (0x0304,))
    unknown = made.extension(made.PADDING, bytes(500)) + made.extension(0x4A4A) + made.extension(0xABCD, b"x" * 1000) + made.extension(35, bytes(200))
    assert read([made.hello(unknown + made.server_name(b"a.test"))]) == Hello("a.test", (), (0x0303,))


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0303, 0x0304, 0x03FF])
def test_the_minor_version_of_a_record_means_nothing_RFC_8446_5_1(version):
    assert read([made.records(made.message(FIXED), version=version)]) == Hello("", (), (0x0303,))


def test_what_comes_behind_the_record_of_a_hello_is_left_alone():
    for early in (b"\x14\x03\x03\0\1\1", b"\x17\x03\x03\0\5early", b"anything" * 20_000):
        assert HelloReader().feed(made.hello(None) + early) == Hello("", (), (0x0303,))


def of_size(size: int, fragment: int) -> bytes:
    """A hello of so many bytes, with the headers of its records."""
    fill = size - len(made.records(bytes(len(made.message(made.body(made.extension(made.PADDING, b"")))) + size), fragment)) + size
    while True:
        data = made.records(made.message(made.body(made.extension(made.PADDING, bytes(fill)))), fragment)
        if len(data) == size:
            return data
        fill += size - len(data)


def test_a_hello_of_64_kib_on_the_wire_is_read_and_a_longer_one_refused_at_once():
    whole = of_size(HELLO_BYTES_MAX, 16384)
    assert read([whole]) == read([whole[:9], whole[9:]]) == Hello("", (), (0x0303,))
    longer = of_size(HELLO_BYTES_MAX + 1, 16384)
    assert read([longer[:-2]]) is None
    for pieces in ([longer], [longer[:-1]], [longer[:70], longer[70:-1]]):
        assert read(pieces) is NoHello
    announced = made.records(b"\x01" + (HELLO_BYTES_MAX - 3).to_bytes(3, "big"))
    assert "longer" in refusal(announced)
    assert read([announced[:-1]]) is None


def test_records_of_one_byte_count_with_their_headers():
    small = made.records(made.like_chromium()[5:], 1)
    assert len(small) > 8000
    assert isinstance(read([small]), Hello)
    handshake = made.message(made.body(made.extension(made.PADDING, bytes(20_000))))
    stream = made.records(handshake, 1)
    assert read([stream[: HELLO_BYTES_MAX - 1]]) is None
    assert "longer" in refusal(stream[:HELLO_BYTES_MAX])


@pytest.mark.parametrize("fragment", [1, 16384])
@pytest.mark.parametrize("filling", ["one extension", "many", "names"])
def test_a_hello_that_comes_byte_by_byte_costs_little(fragment, filling):
    """60 KiB take 0.1 s of processor time; joined and read from the start with each byte they would take minutes."""
    room = 58_000 if fragment > 1 else 9_000
    extensions = {
        "one extension": made.extension(made.PADDING, bytes(room)),
        "many": b"".join(made.extension(number) for number in range(100, 100 + room // 4)),
        "names": made.alpn(*[b"x"] * (room // 2)),
    }[filling]
    data = made.records(made.message(made.body(extensions)), fragment)
    reader = HelloReader()
    began = time.process_time()
    outcomes = [reader.feed(data[at : at + 1]) for at in range(len(data))]
    assert time.process_time() - began < 2
    assert [type(outcome) for outcome in outcomes[-2:]] == [type(None), Hello]
