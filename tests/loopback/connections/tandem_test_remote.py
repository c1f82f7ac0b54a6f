"""A connection for tests: this machine, met as a remote host is, so that a temporary folder of the host's own is made and must be removed."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: tandem_test_remote
short_description: This machine as if it were a remote host
description: For the tests of tandem.lb alone.
extends_documentation_fragment:
  - connection_pipelining
"""


class Connection(Local):
    transport = "tandem_test_remote"
    _remote_is_local = False
