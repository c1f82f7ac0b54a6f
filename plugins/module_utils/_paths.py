# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where things lie on a node. The only place that spells a path; everything hangs under one prefix.

Used by the modules and by the runtime (the bundle carries this file), so: standard library only, Python 3.9.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# sun_path of a unix socket holds 108 bytes with its terminator (unix(7)).
_SOCKET_PATH_BYTES_MAX = 107


@dataclass(frozen=True)
class Paths:
    """The paths of the node that lives below ``prefix`` (an absolute path; "/" for a host of its own)."""

    prefix: str = "/"

    def below(self, relative: str) -> Path:
        return Path(self.prefix) / relative

    @property
    def etc(self) -> Path:
        return self.below("etc/tandem")

    @property
    def desired(self) -> Path:
        return self.etc / "desired.json"

    @property
    def history(self) -> Path:
        return self.etc / "history"

    @property
    def lock(self) -> Path:
        return self.etc / "lock"

    @property
    def node(self) -> Path:
        return self.etc / "node.json"

    @property
    def hardware(self) -> Path:
        return self.etc / "hardware.json"

    @property
    def secrets(self) -> Path:
        return self.etc / "secrets"

    @property
    def state(self) -> Path:
        return self.below("var/lib/tandem")

    @property
    def states(self) -> Path:
        return self.state / "server-states.json"

    @property
    def events(self) -> Path:
        return self.state / "events.jsonl"

    @property
    def former_events(self) -> Path:
        """Those before, that no longer had room."""
        return self.state / "events-former.jsonl"

    @property
    def known_addresses(self) -> Path:
        """What name servers said last, for a start while they are down."""
        return self.state / "known-addresses.json"

    @property
    def keepalive_state(self) -> Path:
        return self.state / "keepalive"

    @property
    def moves(self) -> Path:
        """Why load balancers have moved, as this node has seen it."""
        return self.keepalive_state / "moves.json"

    @property
    def keys(self) -> Path:
        """Private keys, which are the proxy's; the other secrets are keepalive's."""
        return self.etc / "keys"

    @property
    def releases(self) -> Path:
        return self.below("opt/tandem/releases")

    @property
    def current(self) -> Path:
        return self.below("opt/tandem/current")

    @property
    def previous(self) -> Path:
        return self.below("opt/tandem/previous")

    @property
    def accelerators(self) -> Path:
        return self.below("opt/tandem/accelerators")

    def accelerator(self, sources: str, tag: str) -> Path:
        """Where the accelerator lies that was made of these sources for such a Python."""
        return self.accelerators / f"{sources}-{tag}"

    @property
    def program(self) -> Path:
        return self.current / "bin/tandem"

    @property
    def run(self) -> Path:
        return self.below("run/tandem")

    @property
    def proxy_socket(self) -> Path:
        return self.run / "proxy.sock"

    @property
    def keepalive_socket(self) -> Path:
        return self.run / "keepalive.sock"

    @property
    def forward_socket(self) -> Path:
        return self.run / "forward.sock"

    @property
    def forward_wanted(self) -> Path:
        """There while the document in force has frontends that the kernel is to serve: tandem-forward is wanted then."""
        return self.run / "forward.wanted"

    @property
    def forward_settings(self) -> Path:
        """What the kernel's settings were before tandem-forward changed them."""
        return self.run / "forward-settings.json"

    @property
    def manager_pid(self) -> Path:
        return self.run / "manager.pid"

    @property
    def log(self) -> Path:
        return self.below("var/log/tandem")


@contextlib.contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """An address to bind or connect a unix socket at ``path``, however long the path is.

    A path too long for ``sun_path`` is reached through the folder's descriptor, so deep prefixes work as short ones do.
    """
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
