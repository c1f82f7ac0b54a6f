"""ACLs: whether a request may come in, or where it is sent instead; and for TCP, whether a client may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional
from urllib.parse import quote

from .._model import Acl, Redirect
from .networks import Networks
from .paths import lies_under, normal
from .request import Request
from .rules import NONE, Rules

DENY, REDIRECT, TARPIT = range(1, 4)
_ACTIONS = {"deny": DENY, "redirect": REDIRECT, "tarpit": TARPIT}
_SAFE = "/!$&'()*+,;=:@-._~"  # RFC 3986 3.3: pchar, and what divides segments


class Verdict:
    """What becomes of a request that may not pass. ``location`` is for REDIRECT."""

    def __init__(self, action: int, status: int, location: Optional[Location]) -> None:
        self.action = action
        self.status = status
        self.location = location


class Location:
    """Where a redirect leads. Of a request there is nothing in it that its reading has not shown to be an authority or a target (RFC 9112 3.2)."""

    def __init__(self, acl: Acl) -> None:
        target: Redirect = acl.redirect
        self._scheme = target.scheme.encode()
        self._host = target.host.encode()
        self._port = b":%d" % target.port if target.port else b""
        self._path = target.path.encode()
        self._from = normal(acl.path_prefix.encode())
        self._to = target.path_prefix.encode()
        self._ignore_case = acl.ignore_case

    def of(self, request: Request, scheme: bytes, local: bytes) -> bytes:
        """``scheme``: by which the client came; ``local``: where it reached us, for those who name no host."""
        authority = request.fields.host or local
        if self._host:
            authority = self._host + self._port
        elif self._scheme or self._port:
            authority = (request.fields.route_host or _without_port(local)) + self._port
        return b"%b://%b%b" % (self._scheme or scheme, authority, self._path or self._path_of(request))

    def _path_of(self, request: Request) -> bytes:
        target = request.target
        if not target.startswith(b"/"):
            return b"/"
        if not self._to:
            return target
        path, mark, query = target.partition(b"?")
        compared, prefix = (path.lower(), self._from.lower()) if self._ignore_case else (path, self._from)
        if not lies_under(compared, prefix):
            path = quote(request.normal_path, safe=_SAFE).encode()  # as it was compared: it does not begin so as it came
            prefix = quote(self._from, safe=_SAFE).encode()
        kept = len(prefix.rstrip(b"/"))
        rest = path[kept:]
        return (self._to.rstrip(b"/") + rest or b"/") + mark + query


class Access:
    """A frontend's ACLs, and what becomes of requests that none of them is about."""

    def __init__(self, acls: Sequence[Acl], default: str) -> None:
        self._rules = Rules([(acl, acl.invert) for acl in acls])
        self._verdicts: list[Optional[Verdict]] = [_verdict(acl) for acl in acls]
        self._default: Optional[Verdict] = Verdict(DENY, 403, None) if default == "deny" else None

    def judge(self, request: Request, client: str) -> Optional[Verdict]:
        """None: it may pass."""
        place = self._rules.first(request, client)
        return self._default if place == NONE else self._verdicts[place]


class ClientAccess:
    """The same of a TCP frontend: by address alone."""

    def __init__(self, acls: Sequence[Acl], default: str) -> None:
        self._networks = [Networks(acl.sources or ("0.0.0.0/0", "::/0")) for acl in acls]
        self._inverted = [acl.invert for acl in acls]
        self._allows = [acl.action == "allow" for acl in acls]
        self._default: bool = default == "allow"

    def admits(self, client: str) -> bool:
        for place, networks in enumerate(self._networks):
            if networks.holds(client) != self._inverted[place]:
                return self._allows[place]
        return self._default


def _verdict(acl: Acl) -> Optional[Verdict]:
    if acl.action == "allow":
        return None
    if acl.action == "redirect":
        return Verdict(REDIRECT, acl.redirect.code, Location(acl))
    return Verdict(_ACTIONS[acl.action], acl.status, None)


def _without_port(authority: bytes) -> bytes:
    return authority.rpartition(b":")[0]
