# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The accelerators that the controller has for the runtime it deploys: which there are, and what is in one. ``make accelerators`` makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

from ..module_utils._accelerator import sources_digest
from ..module_utils._model import ModelError, Problem
from ._bundle import RUNTIME

FOLDER = RUNTIME.parents[1] / "accelerators"


class Accelerators:
    """Those in one folder: the collection's own, or that which ``tandem_accelerators`` names. Raises ModelError where that is none."""

    def __init__(self, folder: Optional[str] = None, package: Path = RUNTIME) -> None:
        self._folder = Path(folder).expanduser() if folder else FOLDER
        self._sources = sources_digest(package)
        if folder and not self._folder.is_dir():
            rule = "which is no folder on the controller"
            raise ModelError(Problem("", "tandem_accelerators", folder, rule, "Name one with files of make accelerators, or leave the variable out."))

    def offered(self) -> dict[str, Any]:
        """What a node is told, so that it can ask for the one that it can use."""
        start, end = f"tandem-{self._sources}-", ".tar.gz"
        names = (path.name for path in self._folder.glob(f"{start}*{end}"))
        return {"sources": self._sources, "tags": sorted(name[len(start) : -len(end)] for name in names)}

    def read(self, tag: str) -> bytes:
        """The file for one of the tags offered. Raises ModelError."""
        path = self._folder / f"tandem-{self._sources}-{tag}.tar.gz"
        try:
            return path.read_bytes()
        except OSError as error:
            rule = f"but the controller cannot read it: {error.strerror}"
            raise ModelError(
                Problem("", "tandem_accelerators", str(path), rule, "Make it readable, or take it away: the sources do without.")
            ) from None
