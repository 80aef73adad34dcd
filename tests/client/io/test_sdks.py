from dataclasses import replace
from datetime import timedelta

from keyfob.login import App, Session
from keyfob.protocol.scope import Scope
from keyfob.run import run
from keyfob.testing.fake_time import NOON, FakeTime
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.strict_issuer import StrictIssuer

TENANT = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


class Party:
    """A client with a login at a strict issuer, whose token lives for `left`."""

    def __init__(self, left: timedelta = timedelta(hours=1), **changed: object) -> None:
        self.issuer = StrictIssuer(time=FakeTime(NOON))
        vault = MemoryVault()
        self.app = App(issuer=self.issuer.issuer, client_id="cli", audience="https://api.example/", profile="default",
                       vault=vault, world=self.issuer.world(), login_command="orders login")  # fmt: skip
        stored = self.issuer.log_in(self.app.profile, expires_in=left)
        run(vault.save("default", replace(stored, scope=Scope.of(["read:orders"]), **changed)))
        self.session: Session = self.app.session()
