# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks on the node whether the kernel could serve a frontend, before it is put in force: what the model cannot know."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from ._model import Document, ModelError, Problem, describe

_INSTALL = "Install it on every node of the load balancer (apt-get install nftables, or dnf install nftables), or use forwarding: proxy."


def examine(want: Document, keys: Iterable[str]) -> None:
    """Of the frontends ``keys`` of the wanted document. Raises ModelError."""
    kernel = [key for key in keys if want.frontends[key].forwarding == "kernel" and want.frontends[key].enabled]
    if kernel and shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
        rule = "but this node has no program nft, by which the kernel is told"
        raise ModelError(*(Problem(describe("frontends", key), "forwarding", "kernel", rule, _INSTALL) for key in kernel))
