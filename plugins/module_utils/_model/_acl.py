# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of who may come in: ACLs, where they send clients instead, and basic authentication. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from . import _values as values
from ._conditions import Conditions
from ._objects import PRIVATE_KEY
from ._options import option
from ._passwords import password_hash

CODES = (301, 302, 303, 307, 308)  # RFC 9110 15.4


def _realm(given: str) -> str:
    if not given or len(given) > 100 or not given.isascii() or not given.isprintable() or set(given) & set('"\\'):
        raise ValueError("which is not a line that browsers show", "Give up to 100 printable ASCII characters without quotes and backslashes.")
    return given


def _user_name(given: str) -> str:
    if not given or len(given) > 100 or ":" in given or not given.isprintable():
        raise ValueError("which is not a user's name (RFC 7617 2)", "Give up to 100 printable characters without colons.")
    return given


@dataclass(frozen=True)
class Redirect:
    """Where an ACL sends clients instead. What is left out stays as it was asked for. ``path_prefix`` takes the place of the ACL's own; with ``path``
    no query is kept. Port 0 is the scheme's.
    """

    scheme: str = option("str", "", choices=("", "http", "https"))
    host: str = option("str", "", read=values.host)
    port: int = option("int", 0, maximum=65535)
    path: str = option("str", "", read=lambda given: values.path(given) if given else "")
    path_prefix: str = option("str", "", read=values.path_prefix)
    code: int = option("int", 302, minimum=301, maximum=308)


@dataclass(frozen=True)
class Acl(Conditions):
    """What becomes of the requests, or TCP clients, that match all of its conditions; with ``invert``, of all others. ``status`` is that of ``deny``,
    and of ``tarpit``, which says it after ``timeouts.tarpit``.
    """

    invert: bool = option("bool", False)
    action: str = option("str", "deny", choices=("deny", "allow", "redirect", "tarpit"))
    status: int = option("int", 403, minimum=400, maximum=599)
    redirect: Redirect = option("object", Redirect, of=Redirect)


@dataclass(frozen=True)
class User:
    """Who may come in with a password. ``password_hash`` holds the fingerprint of the hash."""

    name: str = option("str", read=_user_name)
    password_hash: str = option("str", read=password_hash, secret=True, mark=PRIVATE_KEY)


@dataclass(frozen=True)
class BasicAuth(Conditions):
    """Basic authentication (RFC 7617) of requests that match all of its conditions; with ``invert``, of all others. Without users there is none."""

    users: tuple[User, ...] = option("objects", tuple, of=User, key="name", ordered=True)
    realm: str = option("str", "Restricted", read=_realm)
    invert: bool = option("bool", False)
