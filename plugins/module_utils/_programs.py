# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which programs of a user's own the services run: what somebody else could have written would do what it wants with their accounts.

Used by the modules and by the runtime (the bundle carries this file), so: standard library only, Python 3.9.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

NOBODY = 65534  # as whom a service that is root has them run


class NotRun(Exception):
    """``str()`` is why a program is not run."""


def trusted(program: str, uid: int) -> str:
    """What is to be executed for this program as that account, links followed: whatever others do with links afterwards is of no effect.

    Raises NotRun.
    """
    try:
        path = Path(program).resolve(strict=True)
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise NotRun(f"{program} is not a file")
        for place in (path, *path.parents, *Path(program).parents):
            if _others_may_change(place, uid, a_folder=place != path):
                raise NotRun(f"{program} is not run: {place} can be changed by others than root and the account that runs it")
    except OSError as error:
        raise NotRun(f"{program} cannot be run: {error.strerror}") from None
    may = stat.S_IXUSR if found.st_uid == uid else stat.S_IXGRP if found.st_gid in _groups(uid) else stat.S_IXOTH
    if not found.st_mode & may:
        raise NotRun(f"{program} cannot be run: the account that runs it may not execute it")
    return str(path)


def _others_may_change(place: Path, uid: int, *, a_folder: bool) -> bool:
    said = place.stat()
    if said.st_uid not in (0, uid):
        return True
    # The sticky bit lets only its owner replace a file that lies in a folder of everybody's.
    return bool(said.st_mode & 0o022) and not (a_folder and said.st_mode & stat.S_ISVTX)


def _groups(uid: int) -> set[int]:
    return {os.getegid(), *os.getgroups()} if uid == os.geteuid() else {NOBODY}
