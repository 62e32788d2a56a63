"""Takes from the own process, for good, what a scan does not need: memory, time, files, programs and the network."""

from __future__ import annotations

import ctypes
import math
import platform
import resource
import struct
from typing import Final

from tensorfleet.scanning.limits import Limits

_OPEN_FILES: Final = 16
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2
_CLONE_NEWNET, _CLONE_NEWUSER = 0x40000000, 0x10000000
_DENY: Final = 0x00050000 | 1  # EPERM
_ALLOW: Final = 0x7FFF0000
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_OTHER_ABI: Final = 0x40000000
# The architecture's number for seccomp, and those of socket, socketpair, execve, execveat, ptrace, io_uring_setup.
_SYSTEM_CALLS: Final = {
    "x86_64": (0xC000003E, (41, 53, 59, 322, 101, 425)),
    "aarch64": (0xC00000B7, (198, 199, 221, 281, 117, 425)),
}


def confine(limits: Limits) -> list[str]:
    """What could not be taken away on this system, as sentences; empty if all was."""
    _limit_resources(limits)
    network = (_own_network(), _no_sockets())
    return [] if any(network) else ["the scanner was not cut off from the network: this system allows neither way"]


def _limit_resources(limits: Limits) -> None:
    seconds = math.ceil(limits.seconds) + 1
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))


def _own_network() -> bool:
    """A network namespace without any interface."""
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)) == 0


def _no_sockets() -> bool:
    """A filter under which no socket is made, and no program started; it needs no rights."""
    known = _SYSTEM_CALLS.get(platform.machine())
    if known is None:
        return False
    architecture, calls = known
    steps = [(_LOAD, 0, 0, 4), (_JUMP_IF_EQUAL, 0, len(calls) + 2, architecture), (_LOAD, 0, 0, 0)]
    steps.append((_JUMP_IF_AT_LEAST, len(calls), 0, _OTHER_ABI))
    steps += [(_JUMP_IF_EQUAL, len(calls) - place, 0, call) for place, call in enumerate(calls)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)]
    program = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(program, len(program))
    filters = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return int(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(filters), 0, 0)) == 0
