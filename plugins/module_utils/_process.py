# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pid files that name one very process: its id and its start time, since ids are used again.

Used by the modules and by the runtime (the bundle carries this file), so: standard library only, Python 3.9.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional


def recorded(pid_file: Path) -> Optional[int]:
    """The process a pid file names, if it still is that very process."""
    try:
        pid, started = pid_file.read_text().split()[:2]
        return int(pid) if start_time(int(pid)) == started else None
    except (OSError, ValueError):
        return None


def write_pid_file(path: Path, pid: int) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(f"{pid} {start_time(pid)}\n")
    temporary.rename(path)


def start_time(pid: int) -> str:
    """When the process began, in clock ticks since boot (proc(5), field 22 of stat). Raises OSError, or ValueError for one that has ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        raise ValueError(f"process {pid} has ended")
    return fields[19]
