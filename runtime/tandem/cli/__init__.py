"""The command line of a node: `tandem status`, `check`, `version`, and the services themselves."""

from .main import main

__all__ = ["main"]
