"""Servers that a proxy waits for in vain, each as ``raw`` of an ``Origin``."""

from __future__ import annotations

import asyncio


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """It reads and never answers."""
    await reader.read(-1)


async def deaf(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """It takes connections and reads nothing."""
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(60)
