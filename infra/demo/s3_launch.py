"""Become the S3 server, and die with the process that asked for it.

Run by the interpreter of the server's own environment, so it imports the standard
library alone: ``python s3_launch.py PARENT_PID``; 0 means nobody's child.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, in whatever way."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit("the parent ended before the S3 server began")


if __name__ == "__main__":
    if int(sys.argv[1]):
        die_with(int(sys.argv[1]))
    server = os.path.join(os.path.dirname(sys.executable), "ministack")
    os.execv(server, [server])
