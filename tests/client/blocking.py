"""A login's coroutines, run by hand: what `keyfob.login.Session` does, for any World and vault."""

from collections.abc import Callable
from datetime import timedelta

from keyfob.client.auth.credentials import ReadCredential
from keyfob.client.flows.choice import Choice
from keyfob.client.flows.logout import LoggedOut
from keyfob.client.model.pending_login import PendingLogin
from keyfob.client.model.profile import Profile
from keyfob.client.model.step_up import StepUp
from keyfob.client.model.stored_login import Held
from keyfob.client.ports import Vault, World
from keyfob.client.session.calls import Brought
from keyfob.client.session.login import Login
from keyfob.login import Session as PublicSession
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.run import run


class Session:
    def __init__(
        self,
        profile: Profile,
        vault: Vault,
        world: World,
        credential: ReadCredential | None = None,
        step_up: Callable[[StepUp], object] | None = None,
    ) -> None:
        self.profile = profile
        self.login = Login(profile, vault, world, credential, step_up)

    def log_in(self, **options: object) -> Held:
        return run(self.login.log_in(**options))

    def plan(self) -> Choice:
        return run(self.login.plan())

    def begin(self, *options: object) -> PendingLogin:
        return run(self.login.begin(*options))

    def resume(self, *options: object) -> Held:
        return run(self.login.resume(*options))

    def held(self) -> Held:
        return run(self.login.held())

    def token(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> Secret:
        return self.fresh(min_ttl, renew=renew).access_token

    def fresh(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> Held:
        return run(self.login.fresh(min_ttl, renew=renew))

    def send(self, request: Request) -> Response:
        return PublicSession(self.login).send(request)

    def bring(self, request: Request, *, renew: bool = False) -> Brought:
        return run(self.login.bring(request, renew=renew))

    def heed(self, request: Request, response: Response) -> bool:
        return self.login.heed(request, response)

    def step_up(self, wanted: StepUp, refused: Secret) -> bool:
        return run(self.login.step_up(wanted, refused))

    def log_out(self) -> LoggedOut:
        return run(self.login.log_out())
