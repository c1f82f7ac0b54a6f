"""The distribution's Chromium without a screen, told what to do over its debugging pipe (the DevTools protocol): a page as its user has it."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

CHROMIUM = shutil.which("chromium")
_WITHIN_S = 60.0
_OPTIONS = (
    "--headless",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-sandbox",  # which cannot be had as root
    "--remote-debugging-pipe",
    "--hide-scrollbars",
)


class BrowserError(Exception):
    """It does not do what it is told."""


class Chromium:
    """One browser with one page. ``console`` has what the page or the browser complained of: errors, warnings, exceptions, refused resources."""

    def __init__(self, home: Path) -> None:
        assert CHROMIUM
        theirs_in, self._to = _high_pipe()
        self._from, theirs_out = _high_pipe()
        command = [CHROMIUM, *_OPTIONS, f"--user-data-dir={home}"]
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out} 2>/dev/null'  # the protocol's descriptors
        self._process = subprocess.Popen(
            ["bash", "-c", script, "chromium", *command],
            pass_fds=[theirs_in, theirs_out],
            env={**os.environ, "HOME": str(home)},
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.console: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of one command of the protocol."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            got = self._next()
            if got.get("id") == self._number:
                if "error" in got:
                    raise BrowserError(f"{method}: {got['error']}")
                return got["result"]
            self._event(got)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, expression: str, seconds: float = 30.0) -> Any:
        """Waits until an expression holds in the page."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(BrowserError):  # between two documents
                value = self.ask(expression)
                if value:
                    return value
            assert time.monotonic() < deadline, f"waited in vain for {expression}; the page says: {self.ask('document.body.innerText')}"
            time.sleep(0.05)

    def look(self, width: int, height: int, *, dark: bool = False, telephone: bool = False) -> None:
        """The size of the screen, and what its user prefers."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=telephone)
        preferred = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[preferred])

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode={"Tab": 9, "Enter": 13}[key])

    def close(self) -> None:
        with contextlib.suppress(OSError, BrowserError):
            self._session = ""
            self.call("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + _WITHIN_S
        while b"\0" not in self._buffer:
            piece = os.read(self._from, 1 << 20)
            if not piece or time.monotonic() > deadline:
                raise BrowserError("chromium has ended")
            self._buffer += piece
        message, _zero, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _event(self, event: dict[str, Any]) -> None:
        method, said = event.get("method"), event.get("params", {})
        text: Optional[str] = None
        if method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            text = f"{said['entry']['text']} {said['entry'].get('url', '')}"
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            text = str([one.get("value") for one in said["args"]])
        elif method == "Runtime.exceptionThrown":
            text = str(said["exceptionDetails"].get("exception", said["exceptionDetails"]).get("description", said))
        if text is not None:
            self.console.append(text)


@contextlib.contextmanager
def chromium(home: Path) -> Iterator[Chromium]:
    browser = Chromium(home)
    try:
        yield browser
    finally:
        browser.close()


def _high_pipe() -> tuple[int, int]:
    """A pipe beyond the descriptors that the protocol uses."""
    ends = []
    for descriptor in os.pipe():
        ends.append(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(descriptor)
    return ends[0], ends[1]
