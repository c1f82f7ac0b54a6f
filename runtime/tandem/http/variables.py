"""What stands in header fields that rules write: text and variables, compiled once for each document into as few steps as a message needs.

A value that came with a request was read as a field's value or a target, which hold no control characters (RFC 9110 5.5), so it ends no line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Optional

from .._model import TEXT, parts_of
from . import fields as grammar
from .cookies import cookie_value
from .passing import Passing
from .request import Request

# How long a variable keeps its value.
DOCUMENT: Final = 0  # as long as the document is in force
CONNECTION: Final = 1  # for all requests of one connection
FIELDS: Final = 2  # for those of them that have the same fields
REQUEST: Final = 3

(_CLIENT_ADDRESS, _CLIENT_PORT, _CLIENT_CERT_SUBJECT, _SCHEME, _TLS_SNI, _HOST, _HOST_PORT, _HEADER, _COOKIE) = range(9)
(_METHOD, _PATH, _QUERY, _TARGET, _REQUEST_ID, _SERVER) = range(9, 15)
_KINDS = {
    "client_address": _CLIENT_ADDRESS,
    "client_port": _CLIENT_PORT,
    "client_cert_subject": _CLIENT_CERT_SUBJECT,
    "scheme": _SCHEME,
    "tls_sni": _TLS_SNI,
    "host": _HOST,
    "host_port": _HOST_PORT,
    "header:NAME": _HEADER,
    "cookie:NAME": _COOKIE,
    "method": _METHOD,
    "path": _PATH,
    "query": _QUERY,
    "target": _TARGET,
    "request_id": _REQUEST_ID,
    "server": _SERVER,
}
_NEVER_EMPTY = frozenset((_CLIENT_ADDRESS, _SCHEME, _METHOD, _PATH, _TARGET, _SERVER))
_SUBJECT = b"Client-Cert-Subject: "


class Moment:
    """What of a request its head does not say: its id, and the server that it goes to or went to; b"" while that is not known."""

    __slots__ = ("request_id", "server")

    def __init__(self, request_id: bytes = b"", server: bytes = b"") -> None:
        self.request_id = request_id
        self.server = server


class Variable:
    """A part of a value that is not known before there is a request."""

    __slots__ = ("argument", "kind")

    def __init__(self, kind: int, argument: bytes) -> None:
        self.kind = kind
        self.argument = argument

    @property
    def lasts(self) -> int:
        if self.kind >= _METHOD:
            return REQUEST
        return FIELDS if self.kind >= _HOST else CONNECTION

    def value(self, request: Request, passing: Passing, moment: Moment) -> bytes:
        kind = self.kind
        if kind == _REQUEST_ID:
            return moment.request_id
        if kind == _SERVER:
            return moment.server
        if kind >= _METHOD:
            return _of_request(kind, request)
        if kind >= _HOST:
            return self._of_fields(request)
        if kind == _CLIENT_ADDRESS:
            return passing.whose
        if kind == _CLIENT_PORT:
            return passing.client_port
        if kind == _SCHEME:
            return passing.scheme
        if kind == _TLS_SNI:
            return passing.tls_sni
        return passing.client_cert.partition(_SUBJECT)[2]

    def _of_fields(self, request: Request) -> bytes:
        fields = request.fields
        if self.kind == _HOST:
            return fields.route_host
        if self.kind == _HOST_PORT:
            return fields.host
        if self.kind == _COOKIE:
            return cookie_value(fields.cookie, self.argument) if fields.cookie else b""
        return grammar.joined(fields.raw, fields.fields_start, self.argument)


def _of_request(kind: int, request: Request) -> bytes:
    if kind == _METHOD:
        return request.method
    if kind == _PATH:
        return request.path
    if kind == _QUERY:
        return request.target.partition(b"?")[2]
    return request.target


class Template:
    """A value in its parts. ``known``: the variables whose values are known by now, by name. ``lasts``: as long as the shortest of its variables."""

    __slots__ = ("_places", "form", "lasts", "names_server", "variables")

    def __init__(self, text: str, known: Mapping[str, str]) -> None:
        form, variables = b"", []
        for name, argument in parts_of(text):
            if name == TEXT or name in known:
                form += (argument if name == TEXT else known[name]).encode("latin-1").replace(b"%", b"%%")
            else:
                form += b"%b"
                kind = _KINDS[name]
                variables.append(Variable(kind, (argument.lower() if kind == _HEADER else argument).encode()))
        self.form = form  # of ``%``
        self.variables: tuple[Variable, ...] = tuple(variables)
        self._places: Optional[list[int]] = None  # which of the variables stands where; None: each once, in order
        self.lasts: int = max([one.lasts for one in variables], default=DOCUMENT)
        self.names_server: bool = any(one.kind == _SERVER for one in variables)

    @property
    def may_be_empty(self) -> bool:
        """Whether nothing may be left of it: then the field is not written at all."""
        only_variables = self.form != b"" and self.form == b"%b" * (len(self.form) // 2)
        return only_variables and not any(one.kind in _NEVER_EMPTY for one in self.variables)

    def take(self, variables: Sequence[Variable]) -> None:
        """Takes these in place of its own; each is asked for its value once, however often it stands there."""
        seen: dict[tuple[int, bytes], int] = {}
        for variable in variables:
            seen.setdefault((variable.kind, variable.argument), len(seen))
        self.variables = tuple([Variable(*key) for key in seen])
        self._places = [seen[variable.kind, variable.argument] for variable in variables] if len(seen) < len(variables) else None

    def values(self, request: Request, passing: Passing, moment: Moment) -> list[bytes]:
        """Those of its variables."""
        return [one.value(request, passing, moment) for one in self.variables]

    def filled(self, values: list[bytes]) -> bytes:
        """Itself with these values."""
        return self.form % (tuple(values) if self._places is None else tuple([values[place] for place in self._places]))

    def rendered(self, request: Request, passing: Passing, moment: Moment) -> bytes:
        return self.filled(self.values(request, passing, moment))


class Lines:
    """Field lines that are written together, each with its end."""

    __slots__ = ("_all", "_lines", "_sure")

    def __init__(self, lines: Sequence[tuple[bytes, Template]]) -> None:
        """``lines``: names and values, those of one name in their order."""
        self._all = _together(lines)
        # A Host stays, though it is empty (RFC 9112 3.2)
        self._sure: bool = not any(template.may_be_empty and name.lower() != b"host" for name, template in lines)
        self._lines = tuple(lines)

    def written(self, request: Request, passing: Passing, moment: Moment) -> bytes:
        values = self._all.values(request, passing, moment)
        if self._sure or b"" not in values:
            return self._all.filled(values)
        text = b""
        for name, template in self._lines:
            value = template.rendered(request, passing, moment)
            if value or not template.may_be_empty or name.lower() == b"host":
                text += b"%b: %b\r\n" % (name, value)
        return text


def _together(lines: Sequence[tuple[bytes, Template]]) -> Template:
    """All lines as one value, so that they are written in one step."""
    made = Template("", {})
    made.form = b"".join([b"%b: %b\r\n" % (name.replace(b"%", b"%%"), template.form) for name, template in lines])
    made.take([variable for _name, template in lines for variable in template.variables])
    return made
