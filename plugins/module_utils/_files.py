# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How files and folders of a node come about: whole or not at all, and with the mode that is asked for.

A mode that is given to open(2) or mkdir(2) is only a wish: the umask takes from it, a folder's default ACL takes the place of the umask and adds
entries of its own (acl(5)), a setgid folder passes itself on. So the mode is set once the thing is there, and the access list goes.
Used by the modules and by the runtime (the bundle carries this file), so: standard library only, Python 3.9.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Union

_ACCESS_LISTS = ("system.posix_acl_access", "system.posix_acl_default")


def make_folder(path: Path, mode: int) -> None:
    """The folder with that mode, and those above it that are missing, open to all. One that is there is left as it is. Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_gid != os.getegid():
            os.chown(folder, -1, os.getegid())  # a setgid folder has given its own
        set_mode(folder, mode if folder == path else 0o755)


def write_atomically(path: Path, content: bytes, mode: int) -> None:
    """Whoever reads then finds the former content or the new one, whole, also after a power failure. Raises OSError; the former one stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            set_mode(handle, mode)
            give_to_folders_owner(handle, path.parent)
            view = memoryview(content)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(temporary, path)
        sync(path.parent)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to report
            os.unlink(temporary)
        raise


def sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def give_to_folders_owner(handle: int, folder: Path) -> None:
    """Where services have accounts of their own, the folder says whose a file is: root writes it, they read it."""
    if os.geteuid() == 0:
        owner = os.stat(folder)
        os.fchown(handle, owner.st_uid, owner.st_gid)


def set_mode(path: Union[Path, int], mode: int) -> None:
    """The mode, whole: without an access list beside it, which would make its group bits a mask."""
    for name in _ACCESS_LISTS:
        with contextlib.suppress(OSError):  # there is none, or the file system knows none
            os.removexattr(path, name)
    os.chmod(path, mode)


def has_mode(path: Path, mode: int) -> bool:
    """Whether a file or folder has that mode, and no access list; one that is not there has nothing wrong. Raises OSError."""
    attributes: list[str] = []
    with contextlib.suppress(OSError):  # the file system knows none
        attributes = os.listxattr(path)
    try:
        return stat.S_IMODE(path.stat().st_mode) == mode and not set(attributes) & set(_ACCESS_LISTS)
    except FileNotFoundError:
        return True  # a service's own temporary file, gone meanwhile
