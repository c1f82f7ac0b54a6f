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
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

from ._model import Document, ModelError, Problem
from ._paths import Paths

_HISTORY_MAX = 5
_LOCK_RETRY_S = 0.05
_BROKEN = "Put back a former one from the folder history beside it, or remove the file and state everything again."


class StoreError(Exception):
    """The file system refuses: no space, no permission, a lock that is held. ``str()`` is what the user reads."""


class Store:
    """The documents and secrets below one prefix."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def read(self) -> Document:
        """The document in force; an empty one of generation 0 when there is none. Raises ModelError, StoreError."""
        try:
            text = self.paths.desired.read_bytes()
        except FileNotFoundError:
            return Document()
        except OSError as error:
            raise _refused(self.paths.desired, "read", error) from error
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(Problem("", str(self.paths.desired), "broken", f"for it is not JSON ({error})", _BROKEN)) from None
        return Document.from_stored(data)

    @contextlib.contextmanager
    def lock(self, wait_s: float) -> Iterator[None]:
        """Holds the lock that every change takes. Raises StoreError after ``wait_s`` seconds, naming who holds it."""
        try:
            self.paths.etc.mkdir(mode=0o755, parents=True, exist_ok=True)
            handle = os.open(self.paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _refused(self.paths.lock, "open", error) from error
        try:
            self._acquire(handle, time.monotonic() + wait_s, wait_s)
            with contextlib.suppress(OSError):  # who holds it is for those who wait; a full disk fails where it matters, with a path
                os.ftruncate(handle, 0)
                os.pwrite(handle, str(os.getpid()).encode(), 0)
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
            history.mkdir(mode=0o750, exist_ok=True)
            content = desired.read_bytes()
        except OSError as error:
            raise _refused(history, "write", error) from error
        kept = self._history_file(json.loads(content)["generation"])
        _write_atomically(kept, content, 0o640)
        return kept

    def _put_back(self, kept: Optional[Path]) -> None:
        """The former document, which the history holds, in force again: by a rename, for which a full disk has room."""
        desired = self.paths.desired
        try:
            if kept:
                with kept.open("rb") as file:
                    _give_to_folders_owner(file.fileno(), desired.parent)
                os.rename(kept, desired)
            else:
                desired.unlink(missing_ok=True)
        except OSError as error:
            lies = f"it lies in {kept}" if kept else "there was none"
            raise StoreError(f"{desired}: cannot put the former document back ({lies}): {os.strerror(error.errno or 0)}. Do that by hand.") from error
        with contextlib.suppress(OSError):  # what is in force is so; the next write meets the same trouble and tells it
            _sync(desired.parent)

    def prune_history(self) -> None:
        """Removes all former documents but the last five. Raises OSError."""
        kept = sorted(self.paths.history.glob("desired-*.json"), key=lambda path: int(path.stem.rpartition("-")[2]))
        for path in kept[:-_HISTORY_MAX]:
            path.unlink(missing_ok=True)

    def write_record(self, path: Path, data: Any) -> None:
        """A file that lies beside the document and is not part of it."""
        self._write_json(path, data)

    def write_secret(self, fingerprint: str, value: str) -> None:
        with _unchanged():
            try:
                self.paths.etc.mkdir(mode=0o755, parents=True, exist_ok=True)
                self.paths.secrets.mkdir(mode=0o700, exist_ok=True)
            except OSError as error:
                raise _refused(self.paths.secrets, "write", error) from error
            _write_atomically(self.paths.secrets / fingerprint, value.encode(), 0o600)

    def read_secret(self, fingerprint: str) -> str:
        """The secret that the document names. Raises StoreError where it is missing."""
        try:
            return (self.paths.secrets / fingerprint).read_text()
        except OSError as error:
            raise _refused(self.paths.secrets / fingerprint, "read", error) from error

    def secrets(self) -> set[str]:
        """The fingerprints of all secrets that lie on the node."""
        try:
            return {entry.name for entry in self.paths.secrets.iterdir() if not entry.name.startswith(".")}
        except FileNotFoundError:
            return set()

    def remove_secret(self, fingerprint: str) -> None:
        (self.paths.secrets / fingerprint).unlink(missing_ok=True)

    def _history_file(self, generation: int) -> Path:
        return self.paths.history / f"desired-{generation}.json"

    def _write_json(self, path: Path, data: Any) -> None:
        content = (json.dumps(data, indent=2, sort_keys=True) + "\n").encode()
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(path, "write", error) from error
        _write_atomically(path, content, 0o640)


def _write_atomically(path: Path, content: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            os.fchmod(handle, mode)
            _give_to_folders_owner(handle, path.parent)
            view = memoryview(content)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(temporary, path)
        _sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):  # the first error is the one to report
            os.unlink(temporary)
        raise _refused(path, "write", error) from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _give_to_folders_owner(handle: int, folder: Path) -> None:
    """Where services have accounts of their own, the folder says whose a file is: root writes it, they read it."""
    if os.geteuid() == 0:
        owner = os.stat(folder)
        os.fchown(handle, owner.st_uid, owner.st_gid)


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
