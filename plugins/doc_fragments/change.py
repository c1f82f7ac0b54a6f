# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules have in common that change a node: the lock, and what check mode and diff mode do."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  lock_timeout:
    description:
      - How long to wait while another run changes this node, at most 1h. It then fails and says who holds the lock.
    type: str
    default: 30s
attributes:
  check_mode:
    support: full
    description: Writes nothing, and returns what it would have changed. It assumes what earlier tasks of the play would have created.
  diff_mode:
    support: full
    description: Shows the objects that differ, whole, with every option. Secrets are shown as fingerprints.
"""
