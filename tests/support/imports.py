"""Reads from the sources who imports whom: the rules of the house are held against it."""

from __future__ import annotations

import ast
from pathlib import Path


def module_of(path: Path, top: Path) -> str:
    """The dotted name of a file below ``top``; a package's own name for its ``__init__``."""
    parts = list(path.relative_to(top).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, name: str) -> set[str]:
    """Every name that a file may mean by its imports, in full, wherever they stand in it: of ``from a import b``, a and a.b."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")
                base = ".".join(up[: len(up) - node.level + 1] + ([base] if base else []))
            found.add(base)
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def graph_of(folder: Path, top: Path) -> dict[str, set[str]]:
    """For every module below ``folder``, the modules of it that it imports. ``top`` is where dotted names begin."""
    paths = {module_of(path, top): path for path in sorted(folder.rglob("*.py"))}
    graph = {}
    for name, path in paths.items():
        wanted = imported(path, name) & paths.keys()
        # ``from . import b`` in a package means the module b, not the package itself.
        own = {other for other in wanted if name.startswith(f"{other}.") and any(one.startswith(f"{other}.") for one in wanted)}
        graph[name] = wanted - own - {name}
    return graph


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """The names along one circle; [] where there is none."""
    done: set[str] = set()

    def follow(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            circle = follow(other, [*way, name])
            if circle:
                return circle
        done.add(name)
        return []

    for name in sorted(graph):
        circle = follow(name, [])
        if circle:
            return circle
    return []


def by_room(graph: dict[str, set[str]], rooms: set[str]) -> dict[str, set[str]]:
    """The same between rooms: a module belongs to the innermost package of ``rooms`` that it lies in, else it is a room of its own."""

    def room_of(name: str) -> str:
        within = [room for room in rooms if name == room or name.startswith(f"{room}.")]
        return max(within, key=len) if within else name

    drawn: dict[str, set[str]] = {}
    for name, others in graph.items():
        drawn.setdefault(room_of(name), set()).update(room_of(other) for other in others)
    return {room: others - {room} for room, others in drawn.items()}
