"""How messages between one frontend and one backend are written where rules change them: fields, paths, cookies of the application.

``MessageRules`` are compiled once for each document; a ``Rewriting`` is that of one request and its answer. What is the same for requests with the
same fields is written once, and remembered in these fields.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import fields as grammar
from .cookies import marked
from .head import BadMessage
from .header_rules import HeaderRules, Plan
from .passing import Passing
from .path_rewrite import Rewrite
from .remembered import Rewritten
from .request import Request
from .response import Response
from .variables import Moment
from .write import changes_of


class MessageRules:
    """``own_cookie`` names our sticky cookie, which servers do not see; ``their_cookie`` the application's own that holds the mark of its server:
    before its value with ``keep``, else in its place; b"" where there is none. ``rewrites`` are made one after the other."""

    __slots__ = ("changes_answers", "keep", "names_server", "own_cookie", "requests", "responses", "rewrites", "their_cookie")

    def __init__(
        self,
        requests: HeaderRules,
        responses: HeaderRules,
        rewrites: Sequence[Rewrite] = (),
        own_cookie: bytes = b"",
        their_cookie: bytes = b"",
        *,
        keep: bool = False,
    ) -> None:
        self.requests = requests
        self.responses = responses
        self.rewrites: tuple[Rewrite, ...] = tuple(rewrites)
        self.own_cookie = own_cookie
        self.their_cookie = their_cookie
        self.keep = keep
        self.changes_answers: bool = responses.any or bool(their_cookie)
        self.names_server: bool = requests.names_server or responses.names_server

    def own_lines(self, lines: bytes, request: Request, passing: Passing, moment: Moment) -> bytes:
        """The field lines of an answer of ours, as the rules about answers have them."""
        plan = self.responses.plan(request, passing)
        return plan.kept(lines) + plan.of_fields(request, passing) + plan.of_request(request, passing, moment)


class Rewriting:
    """One request and its answer. ``local``: where the client reached us, for a request without a Host. ``head`` is what goes to the server.

    Raises BadMessage (400) for a path that must not be rewritten.
    """

    __slots__ = ("_local", "_passing", "_request", "_rules", "head", "moment")

    def __init__(self, rules: MessageRules, request: Request, passing: Passing, local: bytes, request_id: bytes) -> None:
        self._rules, self._request, self._passing, self._local = rules, request, passing, local
        self.moment = Moment(request_id)
        self.head = self._head()

    def to_server(self, name: str) -> bytes:
        """The head, with the name of the server where that is to stand in it."""
        if self._rules.names_server:
            self.moment.server = name.encode()
            if self._rules.requests.names_server:
                self.head = self._head()
        return self.head

    def _head(self) -> bytes:
        rules, request, passing = self._rules, self._request, self._passing
        plan = rules.requests.plan(request, passing)
        target = request.target
        for rewrite in rules.rewrites:
            rewritten = rewrite.target(target)
            if rewritten is None:
                raise BadMessage(400, "a path that servers could read otherwise than the prefix that is to be rewritten")
            target = rewritten
        made = request.fields.rewritten
        if made is None:
            made = request.fields.rewritten = Rewritten()
        if made.written_plan is not plan or made.written_passing is not passing or made.written_local != self._local:
            made.written = self._same(plan)
            made.written_plan, made.written_passing, made.written_local = plan, passing, self._local
        if plan.varies:
            return b"%b %b %b%b\r\n" % (request.method, target, made.written, plan.of_request(request, passing, self.moment))
        return b"%b %b %b\r\n" % (request.method, target, made.written)

    def _same(self, plan: Plan) -> bytes:
        """The version and all fields that are the same for all requests with these fields."""
        rules, request, passing = self._rules, self._request, self._passing
        fields = request.fields
        cuts, lines = changes_of(request, passing, rules.own_cookie, rules.their_cookie if rules.keep else b"")
        cuts = cuts + plan.spans(fields.raw, fields.fields_start)
        if fields.lacks_host:
            lines.append(b"Host: " + (fields.host or self._local))
        lines.append(b"")
        added = b"\r\n".join(lines)
        if plan.cuts_ours:
            added = plan.kept(added)
        return b"HTTP/1.1\r\n%b%b%b" % (grammar.without(fields.raw, fields.fields_start, cuts), added, plan.of_fields(request, passing))

    def answer(self, response: Response, extra: bytes, mark: bytes) -> tuple[Response, bytes]:
        """The server's answer, and the lines to add to it (``extra`` are there already), as rules have them; ``mark`` is that of the server."""
        rules, request, passing = self._rules, self._request, self._passing
        if not rules.changes_answers:
            return response, extra
        plan = rules.responses.plan(request, passing)
        lines = b""
        if rules.their_cookie:
            spans, lines = marked(response.raw, response.fields_start, rules.their_cookie, mark, rules.keep)
            if spans:
                response = response.without(spans)
        if plan.cut:
            response = _without_cut(response, plan)
        if plan.lasts:
            said = plan.fixed
        else:
            made = request.fields.rewritten
            if made is None:
                made = request.fields.rewritten = Rewritten()
            if made.added_plan is not plan or made.added_passing is not passing:
                made.added = plan.of_fields(request, passing)
                made.added_plan, made.added_passing = plan, passing
            said = made.added
        if plan.varies:
            said += plan.of_request(request, passing, self.moment)
        if lines or extra:
            said = plan.kept(extra + lines) + said
        return response, said


def _without_cut(response: Response, plan: Plan) -> Response:
    """The response without the fields that a plan leaves out; found out once for all that have the same head."""
    known = response.rewritten
    if known is None or known[0] is not plan:
        spans = plan.spans(response.raw, response.fields_start)
        known = response.rewritten = (plan, response.without(spans) if spans else None)
    return response if known[1] is None else known[1]
