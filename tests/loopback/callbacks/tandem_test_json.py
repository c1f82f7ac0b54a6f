"""A callback for tests: one line of JSON for every task's result on every host."""

from __future__ import annotations

import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: tandem_test_json
type: stdout
short_description: One line of JSON a result
description: For the tests of tandem.lb alone.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "tandem_test_json"

    def v2_runner_on_ok(self, result, **_options):
        self._tell(result)

    v2_runner_on_unreachable = v2_runner_on_skipped = v2_runner_on_ok

    def v2_runner_on_failed(self, result, **_options):
        self._tell(result, failed=True)  # ansible-core from 2.19 on does not repeat it in the result

    def _tell(self, result, **added):
        # The public names are new in ansible-core 2.19.
        task, host, content = (getattr(result, name, None) or getattr(result, f"_{name}") for name in ("task", "host", "result"))
        self._display.display("TOLD " + json.dumps({"task": task.get_name(), "host": host.get_name(), "result": {**content, **added}}, default=str))
