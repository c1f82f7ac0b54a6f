# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of frontends and backends about what is written into requests and answers: fields, paths, request ids, pages, cookies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import _values as values
from ._conditions import Conditions
from ._options import option
from ._variables import template

_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")  # RFC 9110 5.1
_CONTENT_TYPE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?")
_MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,127}/[!#$%&'*+.^_`|~0-9a-z-]{1,127}")
_PAGE_BYTES_MAX = 65536
# Which fields name the client to servers, and what else the proxy knows of how it was reached.
FORWARDED_FIELDS = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "Forwarded")

# What is text, and shrinks.
COMPRESSED_TYPES = (
    "application/javascript",
    "application/json",
    "application/xml",
    "image/svg+xml",
    "text/css",
    "text/html",
    "text/javascript",
    "text/plain",
    "text/xml",
)


def field_name(given: str) -> str:
    if not _FIELD_NAME.fullmatch(given):
        raise ValueError("which is not a field's name (RFC 9110 5.1)", "Give letters, digits and '-', without the colon.")
    return given


def named_client_field(given: str) -> str:
    """A field that lists addresses, which Forwarded does not; empty for none."""
    if given and given.lower() == "forwarded":
        raise ValueError("which holds more than addresses", "Have your proxies write X-Forwarded-For, or a field of their own.")
    return field_name(given) if given else ""


def forwarded_field(given: str) -> str:
    """One of FORWARDED_FIELDS, whatever its case."""
    for name in FORWARDED_FIELDS:
        if name.lower() == given.lower():
            return name
    raise ValueError(f"which is none of {', '.join(FORWARDED_FIELDS)}", "Give one of them, or write others with request_headers.")


def content_type(given: str) -> str:
    if not _CONTENT_TYPE.fullmatch(given) or "/" not in given:
        raise ValueError("which is not a media type (RFC 9110 8.3)", 'Give one such as "text/html; charset=utf-8".')
    return given


def media_type(given: str) -> str:
    """A media type without parameters, in lower case (RFC 9110 8.3.1)."""
    lowered = given.lower()
    if not _MEDIA_TYPE.fullmatch(lowered):
        raise ValueError("which is not a media type (RFC 9110 8.3.1)", 'Give one without parameters, such as "text/html".')
    return lowered


def page(given: str) -> str:
    try:
        size = len(given.encode())
    except UnicodeEncodeError:
        raise ValueError("which holds half of a surrogate pair, so no encoding can write it", "Give the whole character.") from None
    if size > _PAGE_BYTES_MAX:
        raise ValueError(f"which is longer than {_PAGE_BYTES_MAX} bytes", "Give a shorter page; it may load what else it needs.")
    return given


@dataclass(frozen=True)
class Writes:
    """What a rule does, without saying when."""

    action: str = option("str", choices=("set", "add", "remove"))
    name: str = option("str", read=field_name)
    value: str = option("str", "", read=template)


@dataclass(frozen=True)
class HeaderRule(Conditions, Writes):
    """What is done with one field, for requests like this and the answers to them. ``set`` replaces all that came of this name, ``add`` adds to them,
    ``remove`` leaves them out.
    """


@dataclass(frozen=True)
class PathRewrite:
    """How the paths of requests change on their way to a server. With ``strip_prefix`` only those below it do."""

    strip_prefix: str = option("str", "", read=values.path_prefix)
    add_prefix: str = option("str", "", read=values.path_prefix)

    @property
    def changes(self) -> bool:
        """Whether it does anything."""
        return bool(self.strip_prefix or self.add_prefix)


@dataclass(frozen=True)
class RequestId:
    """What names a request at the proxy, at the servers and in the logs. ``pass`` keeps the name that came from whom ``forwarded_for`` believes."""

    mode: str = option("str", "none", choices=("none", "make", "pass"))
    header: str = option("str", "X-Request-ID", read=field_name)


@dataclass(frozen=True)
class Compression:
    """Which answers are compressed (gzip): of these types, from ``minimum`` bytes on, and of no stated length. Level 1 is fast, 9 small."""

    enabled: bool = option("bool", False)
    types: tuple[str, ...] = option("strings", COMPRESSED_TYPES, read=media_type)
    minimum: int = option("int", 1024, minimum=1, maximum=1 << 30)
    level: int = option("int", 4, minimum=1, maximum=9)


@dataclass(frozen=True)
class ErrorPage:
    """What clients see with a status that the proxy answers itself."""

    status: int = option("int", minimum=400, maximum=599)
    content: str = option("str", read=page)
    content_type: str = option("str", "text/html; charset=utf-8", read=content_type)


@dataclass(frozen=True)
class AllDown:
    """What happens with requests, or sessions, while no server of the backend can be chosen. Status 0 is 503 for an error, and 302 for a redirect."""

    action: str = option("str", "error", choices=("error", "close", "redirect", "fallback"))
    status: int = option("int", 0, maximum=599)
    content: str = option("str", "", read=page)
    content_type: str = option("str", "text/html; charset=utf-8", read=content_type)
    location: str = option("str", "", read=template)
    backend: str = option("str", "", read=values.optional_name)
