"""The vault's key in a credential that only this machine's systemd opens, with no imports (systemd-creds(1))."""

import os
import select
import sys
import time

# Where systemd does not run, as in most containers, its key may be thrown away with the next image.
RUNS = "/run/systemd/system"
PROGRAM = "systemd-creds"
LIMIT_SECONDS = 3.0
_LARGEST = 4096


def words(verb: str) -> list[str]:
    """What to say after the program's name; no secret is in it."""
    # Root's own need no more; a user's are sealed by a service that came with systemd 256.
    return [*([] if os.geteuid() == 0 else ["--user"]), "--name=keyfob", verb, "-", "-"]


def read(path: str) -> bytes:
    """What the credential in a file holds, in Base64 as the ordinary path had it sealed.

    Raises:
        OSError: There is none, or systemd does not run, open it or answer.
    """
    if sys.platform != "linux" or not os.path.isdir(RUNS):
        raise OSError("no systemd")
    credential = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        ours, theirs = os.pipe()
        try:
            redirect = [(os.POSIX_SPAWN_DUP2, credential, 0), (os.POSIX_SPAWN_DUP2, theirs, 1),
                        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]  # fmt: skip
            child = os.posix_spawnp(PROGRAM, [PROGRAM, *words("decrypt")], os.environ, file_actions=redirect)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
    finally:
        os.close(credential)
    try:
        return _said(child, ours)
    finally:
        os.close(ours)


def _said(child: int, pipe: int) -> bytes:
    """What a child says until it ends.

    Raises:
        OSError: It ends badly, or too late.
    """
    end, said, more = time.monotonic() + LIMIT_SECONDS, b"", b"-"
    while more and len(said) < _LARGEST and select.select([pipe], [], [], max(0, end - time.monotonic()))[0]:
        more = os.read(pipe, _LARGEST)
        said += more
    if more:
        os.kill(child, 9)
    if os.waitpid(child, 0)[1] or more:
        raise OSError("not opened")
    return said
