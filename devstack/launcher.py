"""Becomes another program that ends with its parent: `python launcher.py PARENT_PID PROGRAM ARGUMENT...`.

A test run that is killed must not leave servers behind, and a killed process cleans up nothing. So the kernel
has to: this asks it for SIGKILL (or SIGTERM, with --gently) at the parent's death, and then executes the
program in its own place, with the same process id. The parent does not ask between fork and exec, because
Python code there can deadlock in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Arrange the death signal, then execute."""
    arguments = sys.argv[1:]
    death_signal = signal.SIGKILL
    if arguments[0] == "--gently":
        death_signal = signal.SIGTERM
        arguments = arguments[1:]
    parent, program = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != parent:  # it died before the request was made
        sys.exit(1)
    os.execv(program[0], program)


main()
