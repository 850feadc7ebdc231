"""Becomes another program, which ends with its parent and, if asked, does not run as root.

Run it as a script in isolated mode; it needs only the standard library:
`python -I launch.py --parent PID --signal N [--identity HOW] -- PROGRAM ARGUMENT…`
"""

import argparse
import ctypes
import os
import pwd
import signal
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
SECBIT_NO_SETUID_FIXUP = 4
CAP_DAC_OVERRIDE = 1
LINUX_CAPABILITY_VERSION_3 = 0x20080522


def unprivileged_user() -> tuple[int, int]:
    """Uid and gid of `nobody`, or of any user that is not root."""
    users = sorted(pwd.getpwall(), key=lambda user: user.pw_name != "nobody")
    return next((user.pw_uid, user.pw_gid) for user in users if user.pw_uid != 0)


def enter_namespace() -> None:
    """Enter a new user namespace: root no longer looks like root but still owns its files."""
    _check(LIBC.unshare(CLONE_NEWUSER))


def become_user() -> None:
    uid, gid = unprivileged_user()
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def become_user_that_reaches() -> None:
    """Become an unprivileged user that may still enter closed folders, such as root's home."""
    # Keeps the capability after the change of user, and in access(2), which PostgreSQL calls.
    _check(LIBC.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    become_user()
    wanted = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable; then the same three for capabilities past the 32nd.
    sets = (ctypes.c_uint32 * 6)(wanted, wanted, wanted, 0, 0, 0)
    _check(LIBC.capset(header, sets))
    _check(LIBC.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0))


IDENTITIES = {
    "namespace": enter_namespace,
    "user": become_user,
    "user-that-reaches": become_user_that_reaches,
}


def end_with(parent: int, signal_number: int) -> None:
    """Have the kernel send `signal_number` when `parent` dies, however it dies.

    Call this after any change of identity, which would cancel it. The parent must have started
    this process from its main thread: the kernel watches the thread, not the process.
    """
    _check(LIBC.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0))
    if os.getppid() != parent:
        sys.exit("the parent ended before its child began")


def listen_to_signals() -> None:
    """Reset inherited signals: for example, a shell makes background processes ignore SIGINT."""
    for number in signal.valid_signals():
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--signal", type=int, required=True)
    parser.add_argument("--identity", choices=IDENTITIES)
    parser.add_argument("--folder", required=True)
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    if options.identity:
        IDENTITIES[options.identity]()
    listen_to_signals()
    end_with(options.parent, options.signal)
    os.chdir(options.folder)
    os.execvp(options.program[0], options.program)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
