"""For `keyfob doctor --tenant`: whether the file with the places of addresses can be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from keyfob.client.session.checkup import Finding
from keyfob.errors import KeyfobError
from keyfob.serve import Registry
from keyfob.server.io.places import open_places


def judge_places(folder: Path) -> Iterator[Finding]:
    """Open the file that the tenant's settings name, if they name one."""
    try:
        with Registry.open(folder, database=os.environ.get("KEYFOB_DATABASE", "")) as registry:
            path = registry.config().places
    except KeyfobError:
        return  # the check before this one has said so
    if path is None:
        return
    try:
        open_places(path)
    except ImportError:
        yield Finding("places", "wrong", "`places` is set, but the library for it is not installed",
                      'Run: pip install "keyfob[places]"')  # fmt: skip
    except OSError as problem:
        yield Finding("places", "wrong", f"{path} cannot be read: {problem.strerror}", "Correct places in tenant.toml.")
    except RuntimeError:
        yield Finding("places", "wrong", f"{path} is not a MaxMind DB file", "Download it again.")
    else:
        yield Finding("places", "ok", f"the page of a device login shows places from {path}")
