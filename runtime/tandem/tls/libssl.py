"""What OpenSSL can and Python gives no hand on, through ctypes, at the place where CPython keeps its ``SSL_CTX`` and ``SSL`` (the first field of
``PySSLContext``, the second of ``PySSLSocket``, the same from 3.9 to 3.14). Where any of that is not as expected, nothing is done, and who asks is
told.
"""

from __future__ import annotations

import functools
import platform
import ssl
import sys
from pathlib import Path
from typing import Any, Optional, Protocol

ctypes: Any
try:
    import ctypes
except (ImportError, MemoryError):  # built without libffi, or one that wants memory that can be written and run, which the units deny
    ctypes = None

_KNOWN = range(9, 15)
_CLEAR_MODE, _AUTO_RETRY = 78, 4  # SSL_CTRL_CLEAR_MODE, SSL_MODE_AUTO_RETRY, openssl/ssl.h


def control(context: ssl.SSLContext, command: int, size: int, data: bytes) -> Optional[bytes]:
    """SSL_CTX_ctrl(3) with this context: ``data`` as OpenSSL leaves it, None where it did not do it. What it says of a failure is not left for
    who asks OpenSSL next."""
    library = _library()
    if library is None:
        return None
    pointer = _fields(context, 1)[0]
    if not pointer:
        return None
    buffer = ctypes.create_string_buffer(data)
    if library.SSL_CTX_ctrl(pointer, command, size, buffer) != 1:
        library.ERR_clear_error()
        return None
    left: bytes = buffer.raw[: len(data)]
    return left


class _Wrapped(Protocol):
    """``_ssl._SSLSocket``."""

    @property
    def context(self) -> ssl.SSLContext: ...


def read_one_record_at_a_time(wrapped: _Wrapped) -> bool:
    """Has a read return after each record, also one without content; whether that was possible.

    Python tells OpenSSL to read on until there is content (SSL_MODE_AUTO_RETRY). A peer that sent nothing but key updates (RFC 8446 4.6.3), 800 KB
    in each second, kept a worker in one call for as long as it liked; so would one that asks to renegotiate again and again.
    """
    library = _library()
    if library is None:
        return False
    _socket, pointer, context = _fields(wrapped, 3)
    if not pointer or context != id(wrapped.context) or library.SSL_get_SSL_CTX(pointer) != _fields(wrapped.context, 1)[0]:
        return False
    return not library.SSL_ctrl(pointer, _CLEAR_MODE, _AUTO_RETRY, None) & _AUTO_RETRY


def _fields(thing: object, count: int) -> list[Optional[int]]:
    """The first pointers behind an object's head."""
    return list((ctypes.c_void_p * count).from_address(id(thing) + object.__basicsize__))


@functools.lru_cache(maxsize=1)
def _library() -> Any:
    """The very libssl that this Python uses; None where it cannot be told which that is."""
    if ctypes is None or platform.python_implementation() != "CPython" or sys.version_info[0] != 3 or sys.version_info[1] not in _KNOWN:
        return None
    try:
        mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/libssl" in line}
        if len(mapped) != 1:
            return None  # linked statically, or loaded twice
        library = ctypes.CDLL(mapped.pop())
        for function in (library.SSL_CTX_ctrl, library.SSL_ctrl):
            function.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
            function.restype = ctypes.c_long
        library.SSL_get_SSL_CTX.argtypes = [ctypes.c_void_p]
        library.SSL_get_SSL_CTX.restype = ctypes.c_void_p
        library.ERR_clear_error.restype = None  # of libcrypto, which libssl brings
    except (OSError, AttributeError):
        return None
    return library
