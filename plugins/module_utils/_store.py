# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads, locks and writes the document on a node. What it may hold is ``_model``'s business.

Every write is atomic: a reader finds the former document or the new one, whole, also after a power failure.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

from ._files import give_to_folders_owner, has_mode, make_folder, set_mode, sync, write_atomically
from ._model import PRIVATE_KEY, Document, ModelError, Problem
from ._paths import Paths

_HISTORY_MAX = 5
_LOCK_RETRY_S = 0.05
# What a run that was killed while it wrote has left: see _files.write_atomically.
_LEFTOVER = re.compile(r"\..+\.\d+")
_BROKEN = "Put back a former one from the folder history beside it, or remove the file and state everything again."


class StoreError(Exception):
    """The file system refuses: no space, no permission, a lock that is held. ``str()`` is what the user reads."""


class Store:
    """The documents and secrets below one prefix."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def read(self, loads: Callable[[bytes], Any] = json.loads) -> Document:
        """The document in force; an empty one of generation 0 when there is none. Raises ModelError, StoreError."""
        try:
            text = self.paths.desired.read_bytes()
        except FileNotFoundError:
            return Document()
        except OSError as error:
            raise _refused(self.paths.desired, "read", error) from error
        try:
            data = loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(Problem("", str(self.paths.desired), "broken", f"for it is not JSON ({error})", _BROKEN)) from None
        return Document.from_stored(data)

    @contextlib.contextmanager
    def lock(self, wait_s: float) -> Iterator[None]:
        """Holds the lock that every change takes. Raises StoreError after ``wait_s`` seconds, naming who holds it."""
        try:
            make_folder(self.paths.etc, 0o755)
            handle = os.open(self.paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _refused(self.paths.lock, "open", error) from error
        try:
            self._acquire(handle, time.monotonic() + wait_s, wait_s)
            with contextlib.suppress(OSError):  # who holds it is for those who wait; a full disk fails where it matters, with a path
                os.ftruncate(handle, 0)
                os.pwrite(handle, str(os.getpid()).encode(), 0)
            self._remove_leftovers()
            yield
        finally:
            os.close(handle)

    def _acquire(self, handle: int, deadline: float, wait_s: float) -> None:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise _refused(self.paths.lock, "lock", error) from error
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                raise StoreError(
                    f"{self.paths.lock} is held by another run (process {holder}), and was not released within {wait_s:g} s. "
                    "Wait until that run has ended and start this one again."
                )
            time.sleep(_LOCK_RETRY_S)

    def write(self, document: Document) -> None:
        """Puts the document in force and keeps the former one in the history. Raises StoreError; the former one is in force then."""
        with _unchanged():
            kept = self._keep_former()
        try:
            with _unchanged():
                self._write_json(self.paths.desired, document.to_stored())
        except StoreError:
            self._put_back(kept)  # the new one may be in its place already, and not safe on the disk
            raise

    def restore(self, document: Document) -> None:
        """Puts the document that ``write`` replaced back in force, after the runtime refused the newer one. Raises StoreError."""
        self._put_back(self._history_file(document.generation) if document.generation else None)

    def _keep_former(self) -> Optional[Path]:
        """Where the history holds the document in force; None when there is none."""
        desired, history = self.paths.desired, self.paths.history
        try:
            if not desired.exists():
                return None
            make_folder(history, 0o750)
            content = desired.read_bytes()
        except OSError as error:
            raise _refused(history, "write", error) from error
        kept = self._history_file(json.loads(content)["generation"])
        self._write(kept, content, 0o640)
        return kept

    def _put_back(self, kept: Optional[Path]) -> None:
        """The former document, which the history holds, in force again: by a rename, for which a full disk has room."""
        desired = self.paths.desired
        try:
            if kept:
                with kept.open("rb") as file:
                    give_to_folders_owner(file.fileno(), desired.parent)
                os.rename(kept, desired)
            else:
                desired.unlink(missing_ok=True)
        except OSError as error:
            lies = f"it lies in {kept}" if kept else "there was none"
            raise StoreError(f"{desired}: cannot put the former document back ({lies}): {os.strerror(error.errno or 0)}. Do that by hand.") from error
        with contextlib.suppress(OSError):  # what is in force is so; the next write meets the same trouble and tells it
            sync(desired.parent)

    def prune_history(self) -> None:
        """Removes all former documents but the last five. Raises OSError."""
        kept = [path for path in self.paths.history.glob("desired-*.json") if path.stem.rpartition("-")[2].isdecimal()]  # not what people put there
        for path in sorted(kept, key=lambda path: int(path.stem.rpartition("-")[2]))[:-_HISTORY_MAX]:
            path.unlink(missing_ok=True)

    def write_record(self, path: Path, data: Any) -> None:
        """A file that lies beside the document and is not part of it."""
        self._write_json(path, data)

    def write_secret(self, fingerprint: str, value: str) -> None:
        with _unchanged():
            try:
                make_folder(self.paths.etc, 0o755)
                make_folder(self._place(fingerprint).parent, 0o700)
            except OSError as error:
                raise _refused(self._place(fingerprint).parent, "write", error) from error
            self._write(self._place(fingerprint), value.encode(), 0o600)

    def read_secret(self, fingerprint: str) -> str:
        """The secret that the document names. Raises StoreError where it is missing."""
        try:
            return self._place(fingerprint).read_text()
        except OSError as error:
            raise _refused(self._place(fingerprint), "read", error) from error

    def secrets(self) -> set[str]:
        """The fingerprints of all secrets that lie on the node."""
        found: set[str] = set()
        for folder in (self.paths.secrets, self.paths.keys):
            with contextlib.suppress(FileNotFoundError):
                found |= {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}
        return found

    def remove_secret(self, fingerprint: str) -> None:
        self._place(fingerprint).unlink(missing_ok=True)

    def _place(self, fingerprint: str) -> Path:
        """Each service has a folder of its own, which only its account can open."""
        return (self.paths.keys if fingerprint.startswith(PRIVATE_KEY) else self.paths.secrets) / fingerprint

    def _history_file(self, generation: int) -> Path:
        return self.paths.history / f"desired-{generation}.json"

    def wrong_modes(self) -> list[tuple[Path, int]]:
        """What of this has another mode than the reference states, and the right one: as a former run, or somebody by hand, has left it."""
        paths = self.paths
        stated = [(paths.etc, 0o755), (paths.lock, 0o600), (paths.node, 0o644), (paths.history, 0o750)]
        stated += [(folder, 0o700) for folder in (paths.secrets, paths.keys)]
        stated += [(paths.state, 0o755), (paths.states, 0o640), (paths.events, 0o640), (paths.former_events, 0o640)]
        stated += [(path, 0o640) for path in (paths.desired, paths.hardware, *paths.history.glob("desired-*.json"))]
        stated += [(self._place(fingerprint), 0o600) for fingerprint in sorted(self.secrets())]
        return [(path, mode) for path, mode in stated if not has_mode(path, mode)]

    def set_modes(self) -> None:
        """Raises OSError."""
        for path, mode in self.wrong_modes():
            set_mode(path, mode)

    def _remove_leftovers(self) -> None:
        """A secret may be among them. All who write here hold the lock, so they are nobody's."""
        for folder in (self.paths.etc, self.paths.history, self.paths.secrets, self.paths.keys):
            with contextlib.suppress(OSError):  # it is not there, or cannot be changed, which a write will meet and tell
                for path in folder.iterdir():
                    if _LEFTOVER.fullmatch(path.name):
                        path.unlink()

    def _write_json(self, path: Path, data: Any) -> None:
        content = (json.dumps(data, indent=2, sort_keys=True) + "\n").encode()
        try:
            make_folder(path.parent, 0o755)
        except OSError as error:
            raise _refused(path, "write", error) from error
        self._write(path, content, 0o640)

    def _write(self, path: Path, content: bytes, mode: int) -> None:
        try:
            write_atomically(path, content, mode)
        except OSError as error:
            raise _refused(path, "write", error) from error


@contextlib.contextmanager
def _unchanged() -> Iterator[None]:
    """A StoreError from within says that it has changed nothing of what is in force."""
    try:
        yield
    except StoreError as error:
        raise StoreError(f"{error} What was in force stays in force.") from error


def _refused(path: Path, verb: str, error: OSError) -> StoreError:
    ways = {
        errno.ENOSPC: "Free some space on that file system, then run again.",
        errno.EDQUOT: "Raise the quota or free some space, then run again.",
        errno.EFBIG: "The file size limit of the process is too low.",
        errno.EACCES: "Run as a user who may (become: true), or give a prefix of your own.",
        errno.EPERM: "Run as a user who may (become: true), or give a prefix of your own.",
        errno.EROFS: "Mount that file system writable, or give another prefix.",
        errno.ENOENT: "State the objects again with the modules, which writes it.",
    }
    reason = os.strerror(error.errno) if error.errno else str(error)
    way_out = ways.get(error.errno or 0, "Mend that on the node, then run again.")
    return StoreError(f"{path}: cannot {verb} it: {reason}. {way_out}")
