# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``python -m tools.docs`` in the checkout: writes the files that differ, and names them."""

from __future__ import annotations

from pathlib import Path

from .rendered import rendered

ROOT = Path(__file__).resolve().parents[2]

for path, text in rendered(ROOT).items():
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)} is written again")
