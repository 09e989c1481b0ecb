"""The canary's hostile program: a reward function like any other, whose completions are the names of attempts.

A score of 1 says that the attempt got through, 0 that it was denied; whatever else goes wrong is masked, and does not
count as denied.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import tempfile

_libc = ctypes.CDLL(None, use_errno=True)
_PTRACE_ATTACH = 16
_FIOSETOWN = 0x8901


def reward(completions, target, **_):
    """One attempt a completion, each on its own target."""
    return [_attempt(globals()[f"_try_{name}"], aim) for name, aim in zip(completions, target, strict=True)]


def _attempt(attempt, target):
    try:
        return float(attempt(target) is not False)
    except (OSError, MemoryError, subprocess.SubprocessError):
        return 0.0


def _try_import_library(_target):
    import decimal

    return decimal.Decimal(1) == 1


def _try_write_scratch(_target):
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")


def _try_find_in_environment(name):
    return name in os.environ


def _try_connect_inet(_target):
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def _try_connect_inet6(_target):
    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()


def _try_connect_unix(_target):
    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()


def _try_fork(_target):
    if os.fork() == 0:
        os._exit(0)


def _try_run_shell(_target):
    os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", "exit 0"], {}), 0)


def _try_become_shell(_target):
    os.execv("/bin/sh", ["sh", "-c", "exit 0"])


def _try_signal(pid):
    # The check for permission is that of any signal; it harms nothing where it gets through.
    os.kill(int(pid), 0)


def _try_signal_by_thread(pid):
    _raise_unless_done(_libc.syscall({"x86_64": 200, "aarch64": 130}[os.uname().machine], int(pid), 0))


def _try_signal_by_descriptor(pid):
    signal.pidfd_send_signal(os.pidfd_open(int(pid)), 0)


def _try_signal_by_file(pid):
    # Whoever owns a file is sent a signal when it becomes readable; to be its owner is enough of a proof.
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(reader, fcntl.F_SETOWN, int(pid))
    finally:
        os.close(reader)
        os.close(writer)


def _try_signal_by_socket(pid):
    one, other = socket.socketpair()
    with one, other:
        fcntl.ioctl(one, _FIOSETOWN, struct.pack("@i", int(pid)))


def _try_trace(pid):
    _raise_unless_done(_libc.ptrace(_PTRACE_ATTACH, int(pid), None, None))


def _try_allocate(size):
    bytearray(int(size))


def _try_share_memory(size):
    os.ftruncate(os.memfd_create("canary"), int(size))


def _try_open_descriptors(count):
    fds = []
    try:
        while len(fds) < int(count):
            fds.append(os.dup(1))
    finally:
        for fd in fds:
            os.close(fd)


def _try_write_big_file(size):
    with tempfile.TemporaryFile() as file:
        os.posix_fallocate(file.fileno(), 0, int(size))


def _try_raise_limits(_target):
    import resource

    infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    try:
        resource.setrlimit(resource.RLIMIT_AS, infinite)
    except ValueError as error:  # how Python says EPERM here
        raise PermissionError(str(error)) from error


def _try_be_user(uid):
    return os.getuid() == int(uid)


def _try_become_root(_target):
    os.setresuid(0, 0, 0)


def _try_read(path):
    with open(path, "rb") as file:
        file.read(1)


def _try_open_memory(pid):
    os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))


def _try_list(path):
    os.listdir(path)


def _try_list_above_libraries(_target):
    """Out of the folders by the descriptors that imports may go through."""
    found = False
    for fd in range(3, 64):
        try:
            os.listdir(os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd))
            found = True
        except OSError:
            continue
    return found


def _try_write(path):
    with open(path, "ab"):
        pass


def _try_truncate(path):
    os.truncate(path, 0)


def _try_create(folder):
    path = os.path.join(folder, f"anneal-canary-{os.getpid()}")
    with open(path, "xb"):
        os.unlink(path)


def _raise_unless_done(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "denied")
