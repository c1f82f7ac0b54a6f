"""Another release of the collection, for tests of roll-outs: `python -m tests.support.next_release FOLDER` makes it below FOLDER.

It is what the next version would ship: everything that git knows of the checkout but the tests, with the next number in both places that name one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
_VERSIONS = {
    "galaxy.yml": re.compile(r"^(version: \d+\.\d+\.)(\d+)$", re.MULTILINE),
    "runtime/tandem/__init__.py": re.compile(r'^(__version__ = "\d+\.\d+\.)(\d+)(?="$)', re.MULTILINE),
}


def another_release(folder: Path) -> Path:
    """Makes it, anew if it is there, and returns the folder to search for collections."""
    place = folder / "ansible_collections" / "tandem" / "lb"
    shutil.rmtree(place, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, check=True, timeout=60)
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = TOP / name
        if name.startswith("tests/") or not (source.is_symlink() or source.is_file()):
            continue
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place / name, follow_symlinks=False)
    for name, written in _VERSIONS.items():
        text, changed = written.subn(lambda found: f"{found[1]}{int(found[2]) + 1}", (place / name).read_text())
        if changed != 1:
            raise ValueError(f"{name} names its version {changed} times")
        (place / name).write_text(text)
    return folder


if __name__ == "__main__":
    print(another_release(Path(sys.argv[1]).resolve()))
