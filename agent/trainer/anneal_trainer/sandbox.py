"""What user code cannot do: limits, another uid, no capabilities, no new privileges, and a seccomp filter.

Linux, standard library only. The reward runner calls these on itself after its own imports; each raises OSError when
the kernel refuses, and then no user code runs.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522

MAX_FILE_BYTES = 16 * 1024 * 1024  # a reward function's scratch file; enough to parse from, too little to fill a disk
MAX_DESCRIPTORS = 64
MAX_THREADS = 64  # of a uid of its own; the kernel counts by uid, so that a shared one cannot be bounded so

# Denied with EPERM. `socket` covers the network and local daemons (socketpair stays, asyncio needs it); no new process
# means that killing the runner kills all of it; io_uring would pass below the filter; memory files and System V memory
# are not counted as the process's own, and the latter outlives it; a file handle passes by the folders above the file;
# the rest reaches other processes.
_DENIED = {
    "x86_64": {
        "socket": 41, "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "ptrace": 101, "kill": 62, "tkill": 200,
        "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "pidfd_send_signal": 424, "pidfd_open": 434,
        "pidfd_getfd": 438, "process_vm_readv": 310, "process_vm_writev": 311, "setsid": 112, "setpgid": 109,
        "unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "chroot": 161, "bpf": 321, "perf_event_open": 298,
        "userfaultfd": 323, "io_uring_setup": 425, "keyctl": 250, "add_key": 248, "request_key": 249,
        "memfd_create": 319, "memfd_secret": 447, "shmget": 29, "shmat": 30, "semget": 64, "msgget": 68,
        "mq_open": 240, "open_by_handle_at": 304, "kcmp": 312, "process_madvise": 440,
    },
    "aarch64": {
        "socket": 198, "execve": 221, "execveat": 281, "ptrace": 117, "kill": 129, "tkill": 130,
        "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "pidfd_send_signal": 424, "pidfd_open": 434,
        "pidfd_getfd": 438, "process_vm_readv": 270, "process_vm_writev": 271, "setsid": 157, "setpgid": 154,
        "unshare": 97, "setns": 268, "mount": 40, "umount2": 39, "chroot": 51, "bpf": 280, "perf_event_open": 241,
        "userfaultfd": 282, "io_uring_setup": 425, "keyctl": 219, "add_key": 217, "request_key": 218,
        "memfd_create": 279, "memfd_secret": 447, "shmget": 194, "shmat": 196, "semget": 190, "msgget": 186,
        "mq_open": 180, "open_by_handle_at": 265, "kcmp": 272, "process_madvise": 440,
    },
}  # fmt: skip
# Those that are denied by an argument.
_BY_ARGUMENT = {
    "x86_64": {"clone": 56, "clone3": 435, "prctl": 157, "tgkill": 234, "prlimit64": 302, "fcntl": 72, "ioctl": 16},
    "aarch64": {"clone": 220, "clone3": 435, "prctl": 167, "tgkill": 131, "prlimit64": 261, "fcntl": 25, "ioctl": 29},
}
# What gives a file or a socketpair an owner: a process that the kernel then sends a signal of the caller's choice.
_OWNER_COMMANDS = {"fcntl": (8, 15), "ioctl": (0x8901, 0x8902)}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE_THREAD = 0x10000
_X32_BIT = 0x40000000

_EPERM, _ENOSYS = 1, 38
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL_PROCESS = 0x80000000

_libc = ctypes.CDLL(None, use_errno=True)


def hide_from_user_code() -> None:
    """Make this process's memory and environment unreadable to user code that runs under the same uid."""
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, however it dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def limit(memory_bytes: int, own_uid: bool) -> None:
    """Bound memory, files, descriptors and, where the uid is the process's own, threads."""
    for name, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_NOFILE, MAX_DESCRIPTORS),
        *([(resource.RLIMIT_NPROC, MAX_THREADS)] if own_uid else []),
    ):
        resource.setrlimit(name, (value, value))


def become(uid: int) -> None:
    """Change to `uid` and the group of the same number, in no other group. The parent's death signal is lost by it."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def give_up_privileges() -> None:
    """No capabilities, and none to be had by running a file that grants them; other processes cannot look inside."""
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, struct.pack("=6I", 0, 0, 0, 0, 0, 0)), "capset")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    hide_from_user_code()


def filter_system_calls() -> None:
    """Install the seccomp filter: the last step, after which no other can be taken."""
    machine = platform.machine()
    if machine not in _DENIED:
        raise OSError(_ENOSYS, f"there is no seccomp filter for {machine} processors")
    program = _program(machine)
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a length, padding, a pointer.
    fprog = ctypes.create_string_buffer(struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(fprog), 0, 0), "seccomp")


def _check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _program(machine: str) -> bytes:
    """Classic BPF over seccomp_data: {nr 0, arch 4, instruction pointer 8, arguments 16...}."""

    def load(offset: int) -> bytes:
        return struct.pack("=HBBI", 0x20, 0, 0, offset)

    def jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, value)

    def give(action: int) -> bytes:
        return struct.pack("=HBBI", 0x06, 0, 0, action)

    equal, at_least, any_bit = 0x15, 0x35, 0x45
    deny, number, argument, second_argument = give(_ERRNO | _EPERM), load(0), load(16), load(24)
    named = _BY_ARGUMENT[machine]
    parts = [load(4), jump(equal, _AUDIT_ARCH[machine], 1, 0), give(_KILL_PROCESS), number]
    if machine == "x86_64":
        parts += [jump(at_least, _X32_BIT, 0, 1), deny]
    for value in _DENIED[machine].values():
        parts += [jump(equal, value, 0, 1), deny]
    # glibc makes threads with clone3, and with clone when that is not there, whose flags can be read.
    parts += [jump(equal, named["clone3"], 0, 1), give(_ERRNO | _ENOSYS)]
    parts += [jump(equal, named["clone"], 0, 4), argument, jump(any_bit, _CLONE_THREAD, 1, 0), deny, give(_ALLOW)]
    parts += [jump(equal, named["prctl"], 0, 4), argument, jump(equal, _PR_SET_PDEATHSIG, 0, 1), deny, give(_ALLOW)]
    parts += [jump(equal, named["tgkill"], 0, 4), argument, jump(equal, os.getpid(), 1, 0), deny, give(_ALLOW)]
    parts += [jump(equal, named["prlimit64"], 0, 4), argument, jump(equal, 0, 1, 0), deny, give(_ALLOW)]
    for name, (one, other) in _OWNER_COMMANDS.items():
        parts += [jump(equal, named[name], 0, 5), second_argument, jump(equal, one, 1, 0), jump(equal, other, 0, 1)]
        parts += [deny, give(_ALLOW)]
    return b"".join([*parts, give(_ALLOW)])
