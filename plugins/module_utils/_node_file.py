# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file node.json: by which name a node takes part in its load balancers, and how its services are run.

Whether that name may be another one is the business of ``_change``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

from ._files import make_folder, write_atomically

MODE = 0o644


class NodeFile:
    """The file as it is, and as it was when this was made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._former = self._bytes()

    def read(self) -> dict[str, Any]:
        """What it holds; nothing where it is missing or broken, as before the first deployment."""
        try:
            content = json.loads(self._bytes() or b"{}")
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def name(self) -> str:
        """The name of this node; "" before it has been given one."""
        return str(self.read().get("node", ""))

    def write(self, content: Mapping[str, Any]) -> None:
        """Raises OSError; the former content stays then."""
        make_folder(self.path.parent, 0o755)
        write_atomically(self.path, (json.dumps(content, indent=2, sort_keys=True) + "\n").encode(), MODE)

    def put_back(self) -> None:
        """As it was when this was made. Raises OSError."""
        if self._bytes() == self._former:
            return
        if self._former is None:
            self.path.unlink(missing_ok=True)
        else:
            write_atomically(self.path, self._former, MODE)

    @contextlib.contextmanager
    def kept_on_failure(self) -> Iterator[None]:
        """Puts it back when what is done within ends by an exception, which a module's failure is as well."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):  # what failed first is what to report
                self.put_back()
            raise

    def _bytes(self) -> Optional[bytes]:
        try:
            return self.path.read_bytes()
        except OSError:
            return None
