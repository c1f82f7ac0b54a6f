"""What several targets need: bytes in pieces, and texts that people are shown."""

from __future__ import annotations


def in_pieces(data: bytes) -> tuple[list[bytes], bytes]:
    """The bytes as they arrive, in pieces whose size the first of them says, and whole."""
    size, rest = data[0] % 16 + 1, data[1:]
    return [rest[at : at + size] for at in range(0, len(rest), size)], rest


def shown(*texts: str) -> None:
    """One line of a terminal or a log each."""
    for text in texts:
        assert text.isprintable(), text
