# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from collections.abc import Iterable, Mapping
from typing import Any

class ActionBase:
    _task: Any
    _connection: Any
    _templar: Any
    _loader: Any
    _play_context: Any
    _supports_check_mode: bool
    _supports_async: bool

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]: ...
    def _execute_module(
        self,
        module_name: str | None = None,
        module_args: Mapping[str, Any] | None = None,
        tmp: str | None = None,
        task_vars: Mapping[str, Any] | None = None,
        *,
        wrap_async: bool = False,
    ) -> dict[str, Any]: ...
    def _make_tmp_path(self, remote_user: str | None = None) -> str: ...
    def _remove_tmp_path(self, tmp_path: str | None, force: bool = False) -> None: ...
    def _transfer_file(self, local_path: str, remote_path: str) -> str: ...
    def _fixup_perms2(self, remote_paths: Iterable[str], remote_user: str | None = None, execute: bool = True) -> Any: ...
