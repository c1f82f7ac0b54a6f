"""The last good addresses of names, in a file: when the service starts while name servers are down, servers are where they were."""

from __future__ import annotations

import json

from ..._store import Store, StoreError
from ...log import say
from ...pace import in_thread

_SCHEMA = 1
_BYTES_MAX = 16 * 1024 * 1024

Known = dict[str, tuple[str, ...]]  # by host name


class KnownAddresses:
    """Files are read and written in a thread. Nothing depends on them but the time until a name server answers, so what goes wrong is only told."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: Known = {}

    async def read(self) -> Known:
        self._kept = await in_thread(self._read)
        return self._kept

    async def keep(self, known: Known) -> None:
        """``known`` has all names that are in use."""
        wanted = {host: addresses for host, addresses in known.items() if addresses}
        if wanted == self._kept:
            return
        self._kept = wanted
        try:
            await in_thread(self._store.write_record, self._store.paths.known_addresses, {"schema": _SCHEMA, "addresses": wanted})
        except StoreError as error:
            say("warning", f"the addresses of names are not kept for the next start: {error}")

    def _read(self) -> Known:
        path = self._store.paths.known_addresses
        try:
            with path.open("rb") as file:
                content = json.loads(file.read(_BYTES_MAX))
            if content["schema"] != _SCHEMA:
                return {}
            return {str(host): tuple(map(str, addresses)) for host, addresses in content["addresses"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
            say("warning", f"{path} is not used: {error!r}")
            return {}
