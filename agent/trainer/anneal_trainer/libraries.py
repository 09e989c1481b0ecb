"""This interpreter's libraries: what user code may read of the host, and how another uid gets at them.

Standard library only: the reward runner loads it by path.
"""

from __future__ import annotations

import os
import site
import sys

# What any program reads: the linker's libraries and cache, time zones, the harmless devices, and what processors there
# are, without which torch complains.
SYSTEM = [
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/sys/devices/system/cpu",
]


def folders() -> list[str]:
    """The real folders of the standard library and of what is installed beside it; none lies in another."""
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    named = [os.path.dirname(os.__file__), *site.getsitepackages()]
    named += [os.path.join(prefix, name) for prefix in prefixes for name in ("lib", "lib64")]
    outermost: list[str] = []
    for folder in sorted({os.path.realpath(name) for name in named if os.path.isdir(name)}):
        if not any(folder.startswith(outer + "/") for outer in outermost):
            outermost.append(folder)
    return outermost


def hidden() -> str | None:
    """The first folder that bars a uid with no rights of its own from the libraries; None when it gets at them all."""
    for folder in folders():
        way = folder
        while way != "/":
            if not os.stat(way).st_mode & 0o001:
                return way
            way = os.path.dirname(way)
        if not os.stat(folder).st_mode & 0o004:
            return folder
    return None


def hold_open() -> None:
    """Let imports go on after this process has changed to a uid that the folders' parents keep out.

    Descriptors of the folders are opened first, and every path that imports go by is led through them. Such a
    descriptor also leads upwards, so this is for a process that Landlock keeps to the folders themselves.
    """
    moved = {folder: f"/proc/self/fd/{os.open(folder, os.O_PATH | os.O_CLOEXEC)}" for folder in folders()}

    def through(path: str) -> str:
        real = os.path.realpath(path)
        for folder, descriptor in moved.items():
            if real == folder or real.startswith(folder + "/"):
                return descriptor + real[len(folder) :]
        return path

    sys.path[:] = [through(path) for path in sys.path]
    for module in list(sys.modules.values()):
        if isinstance(packages := getattr(module, "__path__", None), list):
            packages[:] = [through(path) for path in packages]
    sys.path_importer_cache.clear()
