# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unpacks what the controller sends, and puts it where it is used: a folder that is there is whole."""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from pathlib import Path

from ._files import make_folder
from ._store import StoreError


def unpack(bundle: Path, folder: Path) -> None:
    """Plain files below ``folder`` only; a name that would leave it, or anything that is not a file, is refused."""
    try:
        with tarfile.open(bundle, "r:gz") as archive:
            for entry in archive:
                target = (folder / entry.name).resolve()
                source = archive.extractfile(entry) if entry.isreg() else None
                if source is None or folder.resolve() not in target.parents:
                    raise StoreError(f'{bundle}: entry "{entry.name}" does not belong in a bundle. Run the task again.')
                make_folder(target.parent, 0o755)
                target.write_bytes(source.read())
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StoreError(f"{bundle}: the bundle was damaged on its way ({error}). Run the task again.") from None


def put_in_place(fresh: Path, place: Path, former: Path) -> None:
    """What is there, made for another Python or not whole, goes aside as ``former``, and comes back where that fails: it may be in use."""
    if place.exists():
        os.rename(place, former)
    try:
        os.rename(fresh, place)
    except OSError:
        if former.exists():
            os.rename(former, place)
        raise
