"""`host_without.py landlock|seccomp|users COMMAND...`: run a command on a host that lacks one thing, by the kernel."""

import ctypes
import os
import struct
import sys

_ERRNO, _ALLOW = 0x00050000, 0x7FFF0000
_EPERM, _EINVAL, _ENOSYS = 1, 22, 38
_LANDLOCK = range(444, 447)
_PRCTL = {"x86_64": 157, "aarch64": 167}
_PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _CAP_SETUID = 22, 24, 38, 7

_libc = ctypes.CDLL(None, use_errno=True)


def _load(offset):
    return struct.pack("=HBBI", 0x20, 0, 0, offset)


def _unless(value, skip):
    return struct.pack("=HBBI", 0x15, 0, skip, value)


def _give(action):
    return struct.pack("=HBBI", 0x06, 0, 0, action)


def _filter(program):
    code = ctypes.create_string_buffer(program, len(program))
    fprog = ctypes.create_string_buffer(struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    assert _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert _libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(fprog), 0, 0) == 0


def main():
    lacking, *command = sys.argv[1:]
    if lacking == "landlock":
        denied = b"".join(_unless(number, 1) + _give(_ERRNO | _ENOSYS) for number in _LANDLOCK)
        _filter(_load(0) + denied + _give(_ALLOW))
    elif lacking == "seccomp":
        deny = _load(16) + _unless(_PR_SET_SECCOMP, 1) + _give(_ERRNO | _EINVAL)
        _filter(_load(0) + _unless(_PRCTL[os.uname().machine], 3) + deny + _give(_ALLOW))
    else:
        assert _libc.prctl(_PR_CAPBSET_DROP, _CAP_SETUID, 0, 0, 0) == 0
    os.execvp(command[0], command)


main()
