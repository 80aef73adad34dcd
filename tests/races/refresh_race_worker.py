"""One of the processes of `refresh_race`; a module of its own, so that it does not load the server."""

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
_EXPIRED_FOR: Final = timedelta(hours=1)


def expired(stored: StoredLogin) -> StoredLogin:
    """Return the login as if its access token had expired."""
    return replace(stored, expires_at=stored.obtained_at - _EXPIRED_FOR)


class _StaleVault(FileVault):
    """A vault that starts each round with its copy from the previous round, as in a long-running client."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, Seals(home))
        self.copy = run(super().load("default"))
        self.is_first = True

    async def load(self, entry: str, *, is_ending: bool = False) -> StoredLogin | None:
        if getattr(self, "is_first", False):
            self.is_first = False
            return self.copy and expired(self.copy)
        self.copy = await super().load(entry, is_ending=is_ending)
        return self.copy


def _work(issuer: str, client_id: str, audience: str, *, home: Path, is_stale: bool) -> None:
    def send_with_process(request: Request) -> Response:
        return send(replace(request, headers=(*request.headers, (PROCESS_HEADER, str(os.getpid())))))

    vault = _StaleVault(home) if is_stale else FileVault(home, Seals(home))
    world = SystemWorld(http=send_with_process)
    app = App(issuer=issuer, client_id=client_id, audience=audience, profile="default", vault=vault, world=world)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        if isinstance(vault, _StaleVault):
            vault.is_first = True
        try:
            line = f"token {hashlib.sha256(app.session().token().encode()).hexdigest()[:12]}"
        except KeyfobError as problem:
            line = f"error {problem.code}"
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _work(*sys.argv[1:4], home=Path(sys.argv[4]), is_stale=sys.argv[5] == "stale")
