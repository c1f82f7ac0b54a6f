# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at the scripts of health checks on the node when they are stated: of what the proxy would not run, the user hears before its checks fail."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator

from ._model import Document, describe
from ._paths import Paths
from ._programs import NOBODY, NotRun, trusted
from ._this_node import this_node

_ACCOUNT = "tandem-proxy"


def foreseen(paths: Paths, want: Document, keys: Iterable[str]) -> Iterator[str]:
    """Warnings about those of the backends ``keys`` of the wanted document."""
    for key in keys:
        check = want.backends[key].health_check
        if check.type == "script" and check.script:
            try:
                trusted(check.script, _account(paths))
            except NotRun as why:
                yield f"{describe('backends', key)}: on this node {why}. Until that is mended all its checks fail."


def _account(paths: Paths) -> int:
    """As whom the proxy runs its scripts here."""
    if this_node(paths).get("service_manager") == "systemd":
        try:
            return pwd.getpwnam(_ACCOUNT).pw_uid
        except KeyError:
            return NOBODY  # before the first deployment: it will be somebody who is not root
    return os.geteuid() or NOBODY
