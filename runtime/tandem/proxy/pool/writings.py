"""What a frontend's and its backends' options have to say about how messages are written, compiled when the first request needs it."""

from __future__ import annotations

from typing import Optional

from ..._model import Backend, Conditions, Frontend, PathRewrite
from ...balance.sticky import cookie_attributes, own_cookie_name
from ...http.compression import Packer
from ...http.conditions import Matcher
from ...http.header_rules import HeaderRules, Rule, matchers_of, rules_of
from ...http.pages import Page, page
from ...http.passing import Passing
from ...http.path_rewrite import Rewrite
from ...http.request import Request
from ...http.request_ids import RequestIdField
from ...http.writing import MessageRules


def _rewrite_of(path: PathRewrite) -> Rewrite:
    return Rewrite(path.strip_prefix.encode(), path.add_prefix.encode())


class BackendWriting:
    """What a backend alone has to say. ``special``: more is to be done for its requests than most need.

    ``cookie_name`` is the cookie that binds clients: ``own_cookie``, which servers do not see, or ``their_cookie``, the application's.
    """

    __slots__ = ("_attributes", "_secure", "cookie_name", "falls_back", "matchers", "own_cookie", "special", "their_cookie", "writes")

    def __init__(self, key: str, config: Backend, former: Optional[BackendWriting] = None) -> None:
        sticky, path = config.sticky, config.path_rewrite
        self.cookie_name = (sticky.cookie_name or own_cookie_name(key)).encode() if sticky.type == "cookie" else b""
        self.own_cookie, self.their_cookie = (self.cookie_name, b"") if sticky.cookie_mode == "insert" else (b"", self.cookie_name)
        self._attributes: bytes = cookie_attributes(sticky.cookie_path, sticky.cookie_domain, sticky.cookie_same_site)
        self._secure: str = sticky.cookie_secure
        rules = (*config.request_headers, *config.response_headers)
        self.matchers: dict[Conditions, Matcher] = matchers_of(rules, former.matchers if former is not None else {})
        self.writes: bool = bool(rules or path.changes or self.their_cookie)
        self.falls_back: bool = config.on_all_down.action == "fallback"
        self.special: bool = self.writes or self.falls_back

    def cookie_attributes(self, scheme: bytes) -> bytes:
        """Those of our cookie for a client that came by this scheme."""
        secure = self._secure == "always" or (scheme == b"https" and self._secure == "auto")
        return self._attributes + b"; Secure" if secure else self._attributes


class Writings:
    """Those of one frontend, for one document."""

    def __init__(self, config: Frontend, former: Optional[Writings] = None) -> None:
        """``former``: those before, of which is taken what takes long to compile."""
        self._config = config
        known = former.matchers if former is not None else {}
        self.matchers: dict[Conditions, Matcher] = matchers_of((*config.request_headers, *config.response_headers), known)
        self._made: dict[tuple[str, int], MessageRules] = {}
        self._rewrites: dict[int, Rewrite] = {
            place: _rewrite_of(route.path_rewrite) for place, route in enumerate(config.routes) if route.path_rewrite.changes
        }
        self.by_route: bool = bool(self._rewrites)  # whether it matters by which route a request goes
        self._own: Optional[MessageRules] = None
        self.names_requests: bool = config.request_id.mode != "none"
        self._field: RequestIdField = RequestIdField(config.request_id.header.encode(), config.request_id.mode == "pass")
        self.packer: Optional[Packer] = Packer(config.compression) if config.compression.enabled else None
        self.writes: bool = bool(config.request_headers or config.response_headers or self.names_requests or self.by_route or self.packer is not None)
        self.pages: dict[int, Page] = {one.status: page(one.status, one.content, one.content_type) for one in config.error_pages}

    def believed(self, request: Request, passing: Passing) -> bytes:
        """The name that a request came with, if it is one; else b""."""
        return self._field.believed(request, passing)

    def of(self, backend: Backend, writing: BackendWriting, route: int) -> MessageRules:
        """The rules for what passes between the frontend and this backend by this route, which is counted from 0."""
        key = (backend.name, route if route in self._rewrites else -1)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(backend, writing, self._rewrites.get(route))
        return made

    def own(self) -> Optional[MessageRules]:
        """The rules for answers of our own; None where there are none."""
        config = self._config
        if self._own is None and config.response_headers:
            known = self._known("")
            self._own = MessageRules(HeaderRules([]), HeaderRules(rules_of(config.response_headers, known, self.matchers)))
        return self._own

    def _make(self, backend: Backend, writing: BackendWriting, by_route: Optional[Rewrite]) -> MessageRules:
        config, known = self._config, self._known(backend.name)
        named = [Rule("set", config.request_id.header, "%{request_id}", known)] if self.names_requests else []
        requests = named + rules_of(config.request_headers, known, self.matchers) + rules_of(backend.request_headers, known, writing.matchers)
        responses = rules_of(backend.response_headers, known, writing.matchers) + rules_of(config.response_headers, known, self.matchers)
        rewrites = [by_route] if by_route is not None else []
        if backend.path_rewrite.changes:
            rewrites.append(_rewrite_of(backend.path_rewrite))
        keep = backend.sticky.cookie_mode == "prefix"
        return MessageRules(
            HeaderRules(requests), HeaderRules(responses), rewrites, own_cookie=writing.own_cookie, their_cookie=writing.their_cookie, keep=keep
        )

    def _known(self, backend: str) -> dict[str, str]:
        """The variables that are the same for all requests."""
        return {"frontend": self._config.name, "backend": backend, "port": str(self._config.port)}
