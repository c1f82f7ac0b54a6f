"""The distribution's Chromium without a screen, with a home of its own whose only authority is one of the tests' (NSS, certutil(1))."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tests.lab.tree import LabError, run

NEEDED = {"chromium": "chromium", "certutil": "libnss3-tools"}
_VISIT_S_MAX = 60


class Browser:
    """Its user: what it has seen of the web is kept in ``home`` from visit to visit. Without an authority it trusts none of the tests'."""

    def __init__(self, home: Path, authority: str = "") -> None:
        self._home = home
        database = home / ".pki/nssdb"
        database.mkdir(parents=True)
        _certutil(database, "-N", "--empty-password")
        if authority:
            (home / "authority.pem").write_text(authority)
            _certutil(database, "-A", "-n", "the authority", "-t", "C,,", "-i", str(home / "authority.pem"))

    def visit(self, url: str, places: Mapping[str, str]) -> str:
        """The page that is shown in the end, as HTML. ``places`` says at which address each host, or host and port, is; there are no others."""
        rules = ", ".join([*(f"MAP {host} {address}" for host, address in places.items()), "MAP * ~NOTFOUND"])
        command = ["chromium", "--headless", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
        command += ["--no-sandbox"]  # which cannot be had as root
        command += [f"--user-data-dir={self._home}/profile", f"--host-resolver-rules={rules}", "--dump-dom", url]
        visited = run(*command, within_s=_VISIT_S_MAX, env={**os.environ, "HOME": str(self._home)})
        if visited.returncode:
            raise LabError(f"chromium failed (exit status {visited.returncode}): {visited.stderr[-2000:]}")
        return visited.stdout


def _certutil(database: Path, *arguments: str) -> None:
    made = run("certutil", "-d", f"sql:{database}", *arguments, within_s=_VISIT_S_MAX)
    if made.returncode:
        raise LabError(f"certutil {arguments[0]} failed: {made.stderr.strip()}")
