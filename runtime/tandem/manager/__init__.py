"""The `process` service manager: runs the services in containers, in the demo, and wherever there is no systemd."""

from .manager import main

__all__ = ["main"]
