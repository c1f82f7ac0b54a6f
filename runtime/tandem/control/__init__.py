"""The control socket that each service serves: HTTP/1.1 with JSON on a unix socket, for the modules, the command line and the other service."""

from .server import ControlServer, Refusal

__all__ = ["ControlServer", "Refusal"]
