"""The source tree of an older revision, which the benchmarks compare with the present revision.

The revision is the newest tag, or `LAST` if there is no tag. `BASE=REVISION make bench ARGS=stages` selects another.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
# The state before the hot paths were made faster (docs/performance.md).
LAST = "c49af53"


@contextmanager
def base_tree() -> Iterator[tuple[str, Path] | None]:
    """Yield the name of the revision and a folder with its `src` and `bench`, or None if git lacks the revision."""
    revision = os.environ.get("BASE") or _git("describe", "--tags", "--abbrev=0").decode().strip() or LAST
    archive = _git("archive", "--format=tar", revision, "src", "bench")
    if not archive:
        print(f"  git has no revision {revision} here: only the present state is measured")
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            # The first releases of Python 3.11 have no filters; the archive is our own.
            packed.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        yield revision, Path(folder)


def environment(tree: Path) -> dict[str, str]:
    """Return the environment of a process that imports keyfob from a source tree."""
    return {**os.environ, "PYTHONPATH": str(tree / "src")}


def _git(*words: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, check=False)
    except OSError:
        return b""
    return b"" if done.returncode else done.stdout
