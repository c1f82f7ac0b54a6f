# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts the accelerator on a node that fits its Python and the release, and has the runtime check it there. ``_accelerator`` says what one is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any, Optional

from ._accelerator import BY_SETTING, NONE_HERE, VERDICT, objection, settled, tag
from ._archive import put_in_place, unpack
from ._files import make_folder, set_mode
from ._model import ModelError, Problem
from ._paths import Paths
from ._services import ended
from ._store import StoreError

ACCELERATED_BY = "accelerated-by"  # in a release's folder: the digest in the names of its accelerators


class Acceleration:
    """What of it a node has and lacks. ``offered``: of which sources the controller's accelerators are, for which tags, and where it has sent one.

    ``setting``: auto, required or none.
    """

    def __init__(self, paths: Paths, offered: Optional[dict[str, Any]], setting: str) -> None:
        offered = offered or {}
        self.paths = paths
        self.setting = setting
        self.tag = tag()
        self._tags: Collection[str] = offered.get("tags") or ()
        self._sources: str = offered.get("sources") or ""
        self._sent: Optional[str] = offered.get("path")

    @property
    def folder(self) -> Path:
        return self.paths.accelerator(self._sources, self.tag)

    @property
    def missing(self) -> bool:
        """Whether the controller has one that should be here and is not, or was changed since its check."""
        return self.setting != "none" and bool(self.tag) and self.tag in self._tags and not settled(self.folder)

    @property
    def to_be_sent(self) -> bool:
        return self.missing and not self._sent

    def refuse_without(self) -> None:
        """Raises ModelError where one is required and neither here nor to be had."""
        if self.setting != "required" or self.missing:
            return
        why = objection(self.folder) if self.tag and self.folder.is_dir() else self._none()
        if why:
            way_out = "Build it (make accelerators, with that Python), name its folder in tandem_accelerators, or state acceleration: auto."
            raise ModelError(Problem("", "acceleration", "required", f"but {why}", way_out))

    def _none(self) -> str:
        if not self.tag:
            return "this node's Python can have none"
        offered = ", ".join(sorted(self._tags)) or "none"
        return f"this node takes one for {self.tag}, and the controller has for this release: {offered}"

    def install(self, program: Path) -> str:
        """Unpacks what was sent, and has that release's program check it; returns why it will not be used, or "". Raises StoreError, OSError."""
        make_folder(self.paths.accelerators, 0o755)
        fresh = self.paths.accelerators / f".{self.folder.name}.{os.getpid()}"
        former = self.paths.accelerators / f".{self.folder.name}.former.{os.getpid()}"
        try:
            unpack(Path(str(self._sent)), fresh)
            set_mode(fresh, 0o755)
            for path in fresh.iterdir():
                set_mode(path, 0o644)
            put_in_place(fresh, self.folder, former)
        finally:
            for folder in (fresh, former):
                shutil.rmtree(folder, ignore_errors=True)
        run = ended([str(program), "--prefix", self.paths.prefix, "acceleration", "--check"])
        if not (self.folder / VERDICT).exists():
            raise StoreError(f"The accelerator in {self.folder} could not be checked: {run.stdout}{run.stderr}".strip())
        why = objection(self.folder)
        if why and self.setting == "required":
            raise StoreError(
                f"acceleration: required, but the accelerator for {self.tag} cannot be used on this node: {why}. "
                "Build it anew for this node (make accelerators), or state acceleration: auto."
            )
        return why

    def restart_needed(self, running: str) -> bool:
        """Whether workers that say they run so would run otherwise if they were started now, by what has been set or deployed since."""
        if running.startswith("none:"):
            usable = bool(self.tag) and self.setting != "none" and not objection(self.folder)
            return usable and running in (f"none: {NONE_HERE}", f"none: {BY_SETTING}")
        return bool(running) and self.setting == "none"

    def note(self, release: Path) -> None:
        """Writes into a release's folder which accelerators are for it: a later version of this file may count other sources."""
        if self._sources:
            (release / ACCELERATED_BY).write_text(self._sources + "\n")

    def prune(self, releases: Collection[Path]) -> None:
        """Keeps those for these releases (their folders)."""
        if not self.paths.accelerators.is_dir():
            return
        kept = {(release / ACCELERATED_BY).read_text().strip() for release in releases if (release / ACCELERATED_BY).is_file()}
        for folder in self.paths.accelerators.iterdir():
            if folder.name.partition("-")[0] not in kept:
                shutil.rmtree(folder)
