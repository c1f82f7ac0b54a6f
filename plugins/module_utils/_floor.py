# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Imported before all else by every module: says in words that the node's Python is too old, before newer syntax can fail on it."""

from __future__ import absolute_import, annotations, division, print_function

import json
import sys

OLDEST_PYTHON = (3, 9)

if sys.version_info < OLDEST_PYTHON:
    # There is no AnsibleModule to fail with: importing it may be what this Python cannot do.
    print(  # pylint: disable=ansible-bad-function
        json.dumps(
            {
                "failed": True,
                "msg": "ansible_python_interpreter is {0}, which is Python {1}, but Tandem needs Python 3.9 or newer on the node. "
                "Install a newer Python there, or set ansible_python_interpreter to one.".format(
                    sys.executable, ".".join(str(part) for part in sys.version_info[:3])
                ),
            }
        )
    )
    sys.exit(1)  # pylint: disable=ansible-bad-function
