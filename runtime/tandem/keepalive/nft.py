"""Runs nft(8), the one program that speaks for nftables: a text is one transaction, which is in force whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from typing import Protocol

from .complaints import reason

_WHERE = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin"
_ANSWER_S = 3.0
_SAID_MAX = 300
NOT_INSTALLED = "nft is not installed"


class Nft(Protocol):
    async def apply(self, text: str, *, check: bool = False) -> str:
        """Puts rules in force, or with ``check`` says whether they could be. "", or why it did not work."""


class NftProgram:
    async def apply(self, text: str, *, check: bool = False) -> str:
        program = shutil.which("nft", path=_WHERE)
        if program is None:
            return NOT_INSTALLED
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *(["--check"] if check else []),
                "-f",
                "-",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            return f"nft cannot be run: {reason(error)}"
        try:
            _out, said = await asyncio.wait_for(process.communicate(text.encode()), _ANSWER_S)
        except asyncio.TimeoutError:
            return f"nft has not ended within {_ANSWER_S:g} s"
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        if process.returncode == 0:
            return ""
        return f"nft: {(said.decode(errors='replace').strip().splitlines() or ['it failed'])[0][:_SAID_MAX]}"
