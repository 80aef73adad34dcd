"""Read the vault's key from a credential of this machine's systemd, with few imports (systemd-creds(1))."""

import os
import select
import sys
import time

# In most containers systemd does not run, and its host key may be discarded with the image.
RUNS = "/run/systemd/system"
PROGRAM = "systemd-creds"
LIMIT_SECONDS = 3.0
_LARGEST = 4096


def words(verb: str) -> list[str]:
    """Return the arguments of `systemd-creds`, which contain no secret. `verb` is "encrypt" or "decrypt"."""
    # --user uses a service of systemd 256 or later; root does not need it.
    return [*([] if os.geteuid() == 0 else ["--user"]), "--name=keyfob", verb, "-", "-"]


def read(path: str) -> bytes:
    """Return the decrypted content of a credential file, which is the key in Base64.

    Raises:
        OSError: There is no credential, systemd does not run, or `systemd-creds` fails or takes too long.
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
        return _output(child, ours)
    finally:
        os.close(ours)


def _output(child: int, pipe: int) -> bytes:
    """Return a child process's output. Raise `OSError` if the process fails or takes too long."""
    end, output, more = time.monotonic() + LIMIT_SECONDS, b"", b"-"
    while more and len(output) < _LARGEST and select.select([pipe], [], [], max(0, end - time.monotonic()))[0]:
        more = os.read(pipe, _LARGEST)
        output += more
    if more:
        os.kill(child, 9)
    if os.waitpid(child, 0)[1] or more:
        raise OSError("not opened")
    return output
