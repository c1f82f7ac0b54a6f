"""What operators have said of servers, as the service keeps it: in a file, across restarts and releases. ``in_force`` tells the workers."""

from __future__ import annotations

from ..._model import Document
from ..._states import ServerKey, Setting, States, kept, read, with_setting, write
from ..._store import Store, StoreError
from ...log import say
from ...pace import in_thread


class ServerStates:
    """``now`` is what holds. One change at a time, which the owner sees to. Files are read and written in a thread."""

    def __init__(self, store: Store) -> None:
        self.now: States = {}
        self._store = store

    async def start(self) -> None:
        """What a former life of the service has left. A file that cannot be understood is no reason not to serve: all are ready then."""
        try:
            self.now = await in_thread(read, self._store.paths)
        except StoreError as error:
            say("error", f"the states of servers are not used: {error}")

    async def put(self, key: ServerKey, setting: Setting) -> None:
        """Kept before it is in force, so that no restart takes it back. Raises StoreError; nothing has changed then."""
        states = with_setting(self.now, key, setting)
        await in_thread(write, self._store, states)
        self.now = states

    async def follow(self, document: Document) -> None:
        """Forgets servers that are no longer stated."""
        states = kept(self.now, document)
        if states == self.now:
            return
        self.now = states
        try:
            await in_thread(write, self._store, states)
        except StoreError as error:
            say("warning", f"states of servers that are gone are still in the file: {error}")

    def told(self, document: Document) -> dict[str, dict[str, str]]:
        """As the workers are told: by backend and server, those of the document that are not ready."""
        words: dict[str, dict[str, str]] = {}
        for (key, name), setting in kept(self.now, document).items():
            let_go = setting.state == "drain" and setting.drain_sticky == "move"
            words.setdefault(key, {})[name] = "move" if let_go else setting.state
        return words
