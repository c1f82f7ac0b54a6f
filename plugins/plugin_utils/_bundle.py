# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packs the runtime for shipping: the same bytes for the same sources, whenever and wherever it is packed."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

RUNTIME = Path(__file__).resolve().parents[2] / "runtime" / "tandem"


def digest(root: Path = RUNTIME) -> str:
    """SHA-256 over names and contents, in order: what a release is called. The node computes the same over what it unpacked."""
    total = hashlib.sha256()
    for name, path in _files(root):
        content = path.read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def pack(root: Path = RUNTIME) -> bytes:
    """A gzip-compressed tar file of the package ``tandem``, links followed, with nothing in it of when or by whom it was made."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as compressed, tarfile.open(fileobj=compressed, mode="w") as archive:
        for name, path in _files(root):
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _files(root: Path) -> list[tuple[str, Path]]:
    """(name in the bundle, file) of every Python file below the package. Folders that are links are followed, which glob does not do."""
    found = []
    for path in sorted(root.iterdir()):
        if path.is_dir() and path.name != "__pycache__":
            found += [(f"{root.name}/{name}", file) for name, file in _files(path)]
        elif path.suffix == ".py":
            found.append((f"{root.name}/{path.name}", path))
    return found
