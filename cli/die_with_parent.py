"""Runs as a script between a command and one of its processes: ties the process to the command, then becomes it.

When the command dies in any way, kill -9 included, the kernel kills the process. Linux only: elsewhere a process
outlives a command that was killed with -9. Imports nothing of ours, so that it costs about 15 ms.
Usage: die_with_parent.py COMMAND_PID PROGRAM ARGUMENT...
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal first, look whether the parent is still there second: in this order nothing slips through."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == parent:
        os.execvp(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main()
