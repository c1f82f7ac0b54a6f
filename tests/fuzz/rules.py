"""What must hold of rules, whatever request or expression they meet."""

from __future__ import annotations

import re

from tandem._model import Acl, BasicAuth, Comparison, Conditions, Redirect, User, automaton
from tandem.http.access import Location
from tandem.http.basic_auth import BasicAuth as Login
from tandem.http.conditions import compiled
from tandem.http.head import BadMessage, HeadBuffer
from tandem.http.paths import normal
from tandem.http.request import Request, read_request
from tandem.http.rules import NONE, Rules

CLIENT = "192.0.2.7"
PATHS = ("/", "/a", "/a/", "/a/b", "/b/c", "/admin", "/%61dmin/x", "/c", "/d", "/e/f")
RULES = [
    (Conditions(host="a.test", path_prefix="/a"), False),
    (Conditions(query=(Comparison("q", contains="1"),)), False),
    (Conditions(cookies=(Comparison("c", regex="^[a-z]+$"),)), False),
    *((Conditions(path=path), False) for path in PATHS[1:]),
    *((Conditions(path_prefix=path, methods=("GET",)), False) for path in PATHS),
    (Conditions(subdomains="test", path_regex="(?:x+)+y"), False),
    (Conditions(headers=(Comparison("x-kind", prefix="a", invert=True),)), True),
]
COMPILED = Rules(RULES)
ACLS = (
    Acl(redirect=Redirect(host="new.test")),
    Acl(redirect=Redirect(scheme="https", port=8443)),
    Acl(path_prefix="/a", redirect=Redirect(path_prefix="/b c".replace(" ", "%20"))),
)
LOGIN = Login(BasicAuth(users=(User("ann", "key"),)), {"key": "$pbkdf2-sha256$10000$c2FsdHNhbHRzYWx0$aGhoaGhoaGhoaGhoaGhoaGhoaGg"}, b"k" * 32)
# What a Location may be made of: RFC 3986, and what a request may carry in its place.
LOCATION = re.compile(rb"https?://[!$-.0-9:;=A-Z\[\]_a-z~%]+/[\x21\x22\x24-\x7e]*")
EXPRESSION_BYTES_MAX, TEXT_BYTES_MAX = 40, 12  # for ``re`` to answer in time


def rules(data: bytes) -> None:
    """The first rule is the one that asking each would find; no path hides from it; and nothing of a request leaves a redirect's line."""
    try:
        head = HeadBuffer(True).take(data)
        request = read_request(head) if head else None
    except BadMessage:
        return
    if request is None:
        return
    assert COMPILED.first(request, CLIENT) == first_by_asking(request), "another rule than by asking each"
    path = request.normal_path
    assert path in (b"*", normal(path.replace(b"%", b"%25"))), "a path that is still to be read"
    if path != b"*":
        assert not {b"", b".", b".."} & set(path.split(b"/")[1:-1]), "a segment that hides others"
        assert not re.search(rb"[\x00-\x1f\x7f]", path)
    for acl in ACLS:
        location = Location(acl).of(request, b"http", b"192.0.2.1:80")
        assert LOCATION.fullmatch(location), location
    attempt = LOGIN.attempt(request)
    assert attempt is None or LOGIN.known(attempt) == 2


def first_by_asking(request: Request) -> int:
    for place, (conditions, inverted) in enumerate(RULES):
        if compiled(conditions).matches(request, CLIENT) != inverted:
            return place
    return NONE


def expressions(data: bytes) -> None:
    """An expression finds what ``re`` finds, or is refused in words."""
    given, _end, text = data.partition(b"\n")
    if len(given) > EXPRESSION_BYTES_MAX or len(text) > TEXT_BYTES_MAX:
        return
    try:
        found = automaton(given.decode("latin-1")).found(text)
    except ValueError as refusal:
        rule, way_out = refusal.args
        assert rule.isprintable() and way_out.isprintable()
        return
    # ``$`` is the end for us: no text here has a line's end that could come before it.
    assert found == bool(re.search(given, text)) or b"\n" in text or b"$" in given, "another answer than by re"
