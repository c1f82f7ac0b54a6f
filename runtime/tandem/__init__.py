"""Tandem's runtime: the program on the nodes. The standard library only; optional accelerators are used where they lie."""

from __future__ import annotations

__version__ = "0.1.0"
