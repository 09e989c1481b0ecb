"""Landlock: a process may read what is listed, write one folder, and reach nothing else of the file system or of TCP.

The kernel's own numbers, the same on x86_64 and aarch64. Standard library only: the reward runner loads it by path.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from functools import cache

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_QUERY = 1
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK, _TRUNCATE = 1 << 6, 1 << 11, 1 << 14
_EXECUTE, _IOCTL_DEV = 1 << 0, 1 << 15
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
# File system rights by ABI: 13 at first, then links across folders (2), truncation (3), device ioctls (5).
_FS_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_TRUNCATE_ABI = 3
_TCP, _TCP_ABI = 0b11, 4
_ABSTRACT_SOCKETS_AND_SIGNALS, _SCOPES_ABI = 0b11, 6

_libc = ctypes.CDLL(None, use_errno=True)


@cache
def abi() -> int:
    """The version that this kernel speaks; 0 where it has no Landlock, or where it is not switched on."""
    return max(0, _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_QUERY))


def why_not() -> str | None:
    """What keeps Landlock from denying all that it is here for; None when nothing does."""
    if abi() == 0:
        return "Landlock is not in this kernel, or is not switched on (Linux 5.13, with landlock in its lsm list)"
    if abi() < _TRUNCATE_ABI:
        return f"Landlock in this kernel has ABI {abi()}, which cannot deny truncation (Linux 6.2 has ABI 3)"
    return None


def ruleset(readable: Iterable[str], writable: Iterable[str]) -> int:
    """A descriptor of the rules; paths that are not there are left out. Needs `abi() > 0`."""
    rights = _FS_RIGHTS[min(abi(), max(_FS_RIGHTS))]
    tcp = _TCP if abi() >= _TCP_ABI else 0
    scopes = _ABSTRACT_SOCKETS_AND_SIGNALS if abi() >= _SCOPES_ABI else 0
    attributes = struct.pack("=QQQ", rights, tcp, scopes)
    rules = _checked(_libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0))
    for path in readable:
        _allow(rules, path, _READ_FILE | _READ_DIR)
    for path in writable:
        _allow(rules, path, rights & ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV))
    return rules


def enforce(rules: int) -> None:
    """Hold the calling thread and all that it starts to the rules, for good. Needs `no_new_privs`."""
    _checked(_libc.syscall(_RESTRICT_SELF, rules, 0))
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _FILE_RIGHTS
        _checked(_libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, fd), 0))
    finally:
        os.close(fd)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result
