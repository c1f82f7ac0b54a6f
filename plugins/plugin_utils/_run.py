# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tasks and hosts of one ansible-playbook run leave for each other, and nobody after it.

ansible-core makes one temporary folder for a run (DEFAULT_LOCAL_TMP), before its workers are forked, and removes it at the end. Facts would not do:
they reach other hosts only when all have ended a task, and a fact cache keeps them for the next run.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ansible import constants


def place(kind: str, name: str) -> Path:
    """Where what is left under a name lies; ``kind`` keeps apart what has nothing to do with each other."""
    # A name may be anything that an inventory or a task gives, also text that cannot be encoded, which the module refuses in words.
    return Path(constants.DEFAULT_LOCAL_TMP) / f"tandem-{kind}" / f"{hashlib.sha256(name.encode(errors='backslashreplace')).hexdigest()}.json"


def leave(path: Path, data: Any) -> None:
    """Whoever reads meanwhile finds what was there before, whole."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(data))
    os.rename(fresh, path)


def left(path: Path) -> Any:
    """What was left. Raises FileNotFoundError where nothing was."""
    return json.loads(path.read_bytes())
