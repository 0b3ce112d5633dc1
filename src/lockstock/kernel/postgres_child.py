"""Becomes the given program, as the given user, and ends when the process that started it ends.

A bare interpreter runs this file before `postgres` and `initdb`, because `preexec_fn` may deadlock
in a process with threads. Arguments: the starter's process id, the user's and the group's id
(-1 keeps both), the program, its own arguments.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the program of the arguments: `starter user group program words...`."""
    starter, user, group = (int(argument) for argument in sys.argv[1:4])
    # Python's own handlers would take a SIGINT that arrives just before exec, and lose it.
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.umask(0o077)
    if user >= 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    if sys.platform == "linux":
        # After the change of user, which clears it. SIGINT is PostgreSQL's fast, clean shutdown.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != starter:
        sys.exit("the process that started PostgreSQL has already ended")
    os.execv(sys.argv[4], sys.argv[4:])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
