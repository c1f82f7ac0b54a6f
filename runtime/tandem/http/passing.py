"""How the requests of one client connection are passed on to servers: who the client is, and which fields are believed."""

from __future__ import annotations

WEBSOCKET = frozenset({b"websocket"})
USUALLY_FORWARDED = frozenset({"X-Forwarded-For", "X-Forwarded-Proto"})
_SAME = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port")


class Passing:
    """Made once for a client's connection; what was written for it is found again by its identity, so it is never changed but in ``said``.

    ``client``: its address as text. ``scheme``: http or https, as the client reached us. ``mode``: what becomes of the fields in which proxies
    name the client (X-Forwarded-*, Forwarded, X-Real-IP): ``replace`` drops what came and says what we know, ``append`` keeps what came and adds
    to it, ``none`` passes what came and adds nothing. ``via``: whether Via is added (RFC 9110 7.6.3). ``underscores``: whether fields with an
    underscore in their name pass, which CGI and WSGI servers cannot tell from those with a hyphen. ``upgrades``: the protocols, in lower case,
    that a client may switch to. ``client_cert``: the field lines, without the last line's end, that tell servers of the client's certificate; what a
    client says of it itself passes from proxies alone that are believed (``append``). ``forwarded``: which fields name the client, as the model
    has them; ``port`` is the one that clients reach us at, for X-Forwarded-Port. ``client_port`` and ``tls_sni`` are for variables,
    and ``whose``, who the client is by the word of trusted proxies, for rules too; without it that is ``client``.
    """

    __slots__ = (
        "client",
        "client_cert",
        "client_port",
        "element",
        "forwarded",
        "mode",
        "port",
        "replaced",
        "said",
        "scheme",
        "tells_more",
        "tls_sni",
        "underscores",
        "upgrades",
        "via",
        "whose",
    )

    def __init__(
        self,
        client: bytes,
        scheme: bytes = b"http",
        mode: str = "replace",
        *,
        via: bool = True,
        underscores: bool = False,
        upgrades: frozenset[bytes] = WEBSOCKET,
        client_cert: bytes = b"",
        forwarded: frozenset[str] = USUALLY_FORWARDED,
        port: int = 0,
        client_port: bytes = b"",
        tls_sni: bytes = b"",
        whose: bytes = b"",
    ) -> None:
        self.client = client
        self.whose = whose or client
        self.scheme = scheme
        self.mode = mode
        self.via = via
        self.underscores = underscores
        self.upgrades = upgrades
        self.client_cert = client_cert
        self.forwarded = forwarded
        self.port = b"%d" % port
        self.client_port = client_port
        self.tls_sni = tls_sni
        self.said: dict[object, bytes] = {}  # by the plans that say it
        # What ``replace`` says, as far as it is the same for all requests; whether there is more
        self.replaced = b"\r\n".join([line for name, line in zip(_SAME, self._same()) if name in forwarded])
        self.tells_more = "X-Forwarded-Host" in forwarded or "Forwarded" in forwarded
        # Our element of Forwarded, without the host (RFC 7239 4; 6: an IPv6 address is quoted)
        self.element = b"for=%b;proto=%b" % (b'"[%b]"' % client if b":" in client else client, scheme)

    def _same(self) -> tuple[bytes, bytes, bytes]:
        return (b"X-Forwarded-For: " + self.client, b"X-Forwarded-Proto: " + self.scheme, b"X-Forwarded-Port: " + self.port)
