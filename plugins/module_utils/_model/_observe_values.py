# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the values are read of where metrics and the dashboard are, and of who may ask for them."""

from __future__ import annotations

import re

from ._values import listen_address


def observe_address(given: str) -> str:
    """Where something listens, or the word that stands for each node's own address."""
    return given if given == "node" else listen_address(given)


def user_name(given: str) -> str:
    """A name for HTTP's basic authentication, in which it ends at the first colon (RFC 7617 2)."""
    if not re.fullmatch(r"[A-Za-z0-9._@-]{1,64}", given):
        raise ValueError("which is no user's name", "Give 1 to 64 letters, digits, dots, hyphens, underscores or @.")
    return given


def password(given: str) -> str:
    if given and not re.fullmatch(r"[\x21-\x7e]{16,255}", given):
        raise ValueError("but a password has 16 to 255 characters of ASCII, without blanks", "Make one with: openssl rand -hex 32")
    return given
