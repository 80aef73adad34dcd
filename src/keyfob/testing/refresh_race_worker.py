"""One of the processes of `refresh_race`. It is a program of its own, so that it need not load the server."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.io.world import SystemWorld
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import KeyfobError
from keyfob.io.http import send
from keyfob.login import App
from keyfob.protocol.http import Request, Response
from keyfob.run import run

PROCESS_HEADER: Final = "x-race"
_GONE: Final = timedelta(hours=1)


def lapsed(stored: StoredLogin) -> StoredLogin:
    """Return the login as if its access token had expired."""
    return replace(stored, expires_at=stored.obtained_at - _GONE)


class _Stale(FileVault):
    """Begins each round with the copy that it has from the round before, as a program that runs for long does."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, Seals(home))
        self.copy = run(super().load("default"))
        self.is_first = True

    async def load(self, entry: str) -> StoredLogin | None:
        if getattr(self, "is_first", False):
            self.is_first = False
            return self.copy and lapsed(self.copy)
        self.copy = await super().load(entry)
        return self.copy


def _work(issuer: str, client_id: str, audience: str, *, home: Path, is_stale: bool) -> None:
    def named(request: Request) -> Response:
        return send(replace(request, headers=(*request.headers, (PROCESS_HEADER, str(os.getpid())))))

    vault = _Stale(home) if is_stale else FileVault(home, Seals(home))
    world = SystemWorld(http=named)
    app = App(issuer=issuer, client_id=client_id, audience=audience, vault=vault, world=world)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        if isinstance(vault, _Stale):
            vault.is_first = True
        try:
            said = f"token {hashlib.sha256(app.session().token().encode()).hexdigest()[:12]}"
        except KeyfobError as problem:
            said = f"error {problem.code}"
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _work(*sys.argv[1:4], home=Path(sys.argv[4]), is_stale=sys.argv[5] == "stale")
