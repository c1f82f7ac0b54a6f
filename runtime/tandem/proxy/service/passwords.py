"""The hashes of the passwords that a document's frontends ask for, read from where they lie on the node."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from ..._model import Document, ModelError, Problem, describe, read_hash

_WAY_OUT = "State the user again with the modules, which write it."


def read_hashes(document: Document, keys: Path, lost: Optional[list[str]] = None) -> dict[str, str]:
    """Every hash by its fingerprint. Raises ModelError with those that cannot be used; ``lost`` gets that instead, where it is given, and these users
    cannot come in."""
    hashes: dict[str, str] = {}
    problems: list[Problem] = []
    for key, frontend in document.frontends.items():
        for user in frontend.basic_auth.users:
            option = f"basic_auth.users[{user.name}].password_hash"
            try:
                found = (keys / user.password_hash).read_text()
                read_hash(found)
                hashes[user.password_hash] = found
            except OSError as error:
                problems.append(Problem(describe("frontends", key), option, "(hidden)", f"but the proxy cannot read it: {error.strerror}", _WAY_OUT))
            except ValueError:
                problems.append(Problem(describe("frontends", key), option, "(hidden)", "but what lies on the node is no hash", _WAY_OUT))
    if problems and lost is None:
        raise ModelError(*problems)
    if lost is not None:
        lost += [str(problem) for problem in problems]
    return hashes
