# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables in the values of header fields: ``%{client_address}``, ``%{header:User-Agent}``; ``%%{`` is the text ``%{``. Pure.

Jinja, which reads a play before we do, has no such mark, and a ``%`` elsewhere is itself, as in ``%20``.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

# What there is to say, for who asks and for messages.
VARIABLES = {
    "backend": "the backend's name",
    "client_address": "the client's address",
    "client_cert_subject": "the subject of the client's certificate (RFC 4514)",
    "client_port": "the client's port",
    "cookie:NAME": "a cookie of the request",
    "frontend": "the frontend's name",
    "header:NAME": "a field of the request as the client sent it",
    "host": "the host that was asked for, in lower case and without port",
    "host_port": "the same as it stood in Host",
    "method": "the request's method",
    "path": "the path as the client sent it",
    "port": "the frontend's port",
    "query": "what stood after the question mark",
    "request_id": "the request's name, where the frontend gives or takes one",
    "scheme": "http or https, as the client reached the frontend",
    "server": "the server's name",
    "target": "the path with the query, as the client sent them",
    "tls_sni": "the name that the client asked for in TLS",
}
ARGUMENT = ":NAME"
# Of the parts of a template: what is no variable, but text.
TEXT = ""

_MARKS = re.compile(r"%%\{|%\{([^}]*)(\}?)")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")  # RFC 9110 5.6.2
_LENGTH_MAX = 4096


def parts_of(template: str) -> tuple[tuple[str, str], ...]:
    """A template in parts: (TEXT, the text), or (a variable's name as in VARIABLES, its argument). Raises ValueError(rule, way out)."""
    parts: list[tuple[str, str]] = []
    text, at = "", 0
    for mark in _MARKS.finditer(template):
        text += template[at : mark.start()]
        at = mark.end()
        if mark[1] is None:
            text += "%{"
            continue
        if not mark[2]:
            raise ValueError("where a variable does not end", 'Close it ("%{client_address}"), or write "%%{" for the text "%{".')
        parts += [(TEXT, text)] if text else []
        text = ""
        parts.append(_variable(mark[1]))
    text += template[at:]
    return (*parts, (TEXT, text)) if text else tuple(parts)


def variables_in(template: str) -> frozenset[str]:
    """The names of the variables, as in VARIABLES, that a template of the right form has."""
    return frozenset(name for name, _text in parts_of(template)) - {TEXT}


def _variable(inside: str) -> tuple[str, str]:
    name, colon, argument = inside.partition(":")
    if colon and name + ARGUMENT in VARIABLES:
        if not _TOKEN.fullmatch(argument):
            raise ValueError(f"where %{{{name}:...}} lacks the name that it is to look for", f'Give it, such as "%{{{name}:X-Tenant}}".')
        return name + ARGUMENT, argument
    if inside not in VARIABLES or inside.endswith(ARGUMENT):
        near = get_close_matches(inside, VARIABLES, n=1)
        nearest = f'; nearest is "{near[0]}"' if near else ""
        raise ValueError(
            f'where "{inside}" is no variable; known are {", ".join(VARIABLES)}{nearest}', 'Correct it, or write "%%{" for the text "%{".'
        )
    return inside, ""


def template(given: str) -> str:
    """What may stand in a field, with variables. Raises ValueError(rule, way out)."""
    if len(given) > _LENGTH_MAX:
        raise ValueError(f"which is longer than {_LENGTH_MAX} characters", "Give a shorter one.")
    if not all(" " <= character <= "~" or character == "\t" for character in given):
        raise ValueError("which holds other characters than printable ASCII (RFC 9110 5.5)", "Give one line of ASCII.")
    bare = given.strip()
    parts_of(bare)
    return bare
