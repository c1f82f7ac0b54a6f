# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The arguments every module has; documented in the fragment ``node``."""

from __future__ import annotations

from typing import Any

NODE_ARGUMENTS: dict[str, Any] = {
    "node": {"type": "str"},
    "prefix": {"type": "path", "default": "/"},
    "bundle": {
        "type": "dict",
        "options": {"digest": {"type": "str", "required": True}, "path": {"type": "path"}, "acceleration": {"type": "dict"}},
    },
    "tandem_assumed": {"type": "dict"},
    "tandem_peers": {"type": "dict", "options": {"known": {"type": "dict", "required": True}, "ask": {"type": "bool", "default": False}}},
}
