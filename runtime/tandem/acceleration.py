"""Whether this process runs the hot rooms compiled, and how: a finder in front of Python's own loads them from the accelerator's folder.

All of them or none: what is compiled does not work together with the sources of the same modules. The sources are always complete, so whatever is
wrong with an accelerator costs speed and no more, unless the node's setting says ``required``.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Optional

from ._accelerator import BY_SETTING, NONE_HERE, SETTINGS, hot_files, objection, sources_digest, tag
from ._paths import Paths
from ._this_node import this_node
from .log import say

_PACKAGE = Path(__file__).resolve().parent
_VARIABLE = "TANDEM_ACCELERATION"  # goes before the node's setting


class Missing(Exception):
    """There is no accelerator to be used, and the node's setting says that there has to be one."""


@dataclass(frozen=True)
class Choice:
    """``folder``: where the accelerator to be used lies; without one ``why`` says why not. ``fault``: there should have been one."""

    folder: Optional[Path]
    tag: str
    why: str = ""
    fault: bool = False
    required: bool = False

    @property
    def words(self) -> str:
        """What runs, as status and version say it."""
        return self.tag if self.folder else f"none: {self.why}"


def choose(paths: Paths) -> Choice:
    """What a worker started now would use, by the environment's setting or the node's (auto, required or none)."""
    given = os.environ.get(_VARIABLE, "")
    setting = given if given in SETTINGS else this_node(paths).get("acceleration", "auto")
    required = setting == "required"
    if setting == "none":
        return Choice(None, "", f"{_VARIABLE} is none" if given == "none" else BY_SETTING)
    wanted = tag()
    if not wanted:
        return Choice(None, "", "this Python takes none", required, required)
    folder = folder_for(paths)
    if not folder.is_dir():
        return Choice(None, wanted, NONE_HERE, required, required)
    why = objection(folder)
    return Choice(None, wanted, why, True, required) if why else Choice(folder, wanted, required=required)


def folder_for(paths: Paths) -> Path:
    """Where the accelerator for these sources and this Python lies, if it does."""
    return paths.accelerator(sources_digest(_PACKAGE), tag())


def use(choice: Choice) -> str:
    """Makes this process run what was chosen; to be called before a hot module is imported. Returns what runs, in words. Raises Missing."""
    if choice.folder:
        why = load(choice.folder)
        if why:
            choice = Choice(None, choice.tag, why, True, choice.required)
    if choice.folder is None and choice.required:
        raise Missing(
            f"acceleration is required on this node, but {choice.why}. Build it (make accelerators) and run tandem.lb.runtime again, "
            "or run it with acceleration: auto."
        )
    if choice.fault:
        say("warning", f"the accelerator is not used, and the sources are run as they are: {choice.why}. Run tandem acceleration --check.")
    return choice.words


def load(folder: Path) -> str:
    """Loads all that is compiled from an accelerator's folder, or nothing; returns why nothing, or ""."""
    names = [f"{__package__}.{name[: -len('.py')].replace('/', '.')}" for name, _path in hot_files(_PACKAGE)]
    missing = [name for name in names if not (folder / f"{name}.so").exists()]
    if missing:
        return f"it has no {missing[0]}"
    there = set(sys.modules)
    early = sorted(there.intersection(names))
    if early:
        return f"{early[0]} was imported before"
    finder = Finder(folder)
    sys.meta_path.insert(0, finder)
    try:
        for name in names:
            importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - whatever foreign code has raised: the sources are there
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - there:
            del sys.modules[name]
        return f"it cannot be loaded ({type(error).__name__}: {error})"
    return ""


class Finder(MetaPathFinder):
    """Finds the modules that lie in a folder as NAME.so, by their full names; beside the compiled modules that is the library they share."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.name[: -len(".so")]: str(path) for path in folder.glob("*.so")}

    def find_spec(self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None) -> Optional[ModuleSpec]:
        file = self._files.get(fullname)
        return spec_from_file_location(fullname, file, loader=ExtensionFileLoader(fullname, file)) if file else None
