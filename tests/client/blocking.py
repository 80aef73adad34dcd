"""A login's coroutines, run by hand: what `keyfob.login.Session` does, for any World and vault."""

from collections.abc import Callable
from datetime import timedelta

from keyfob.client.auth.credentials import ReadCredential
from keyfob.client.flows.choice import Choice
from keyfob.client.flows.logout import LoggedOut
from keyfob.client.model.login_state import PendingLogin
from keyfob.client.model.profile import Profile
from keyfob.client.model.step_up import StepUp
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import Vault, World
from keyfob.client.session.calls import TokenHeaders
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

    def log_in(self, **options: object) -> StoredLogin:
        return run(self.login.log_in(**options))

    def plan(self) -> Choice:
        return run(self.login.plan())

    def begin(self, *options: object) -> PendingLogin:
        return run(self.login.begin(*options))

    def resume(self, *options: object) -> StoredLogin:
        return run(self.login.resume(*options))

    def stored(self) -> StoredLogin:
        return run(self.login.stored())

    def token(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> Secret:
        return self.fresh(min_ttl, renew=renew).access_token

    def fresh(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> StoredLogin:
        return run(self.login.fresh(min_ttl, renew=renew))

    def send(self, request: Request) -> Response:
        return PublicSession(self.login).send(request)

    def authorize(self, request: Request, *, renew: bool = False) -> TokenHeaders:
        return run(self.login.authorize(request, renew=renew))

    def store_nonce(self, request: Request, response: Response) -> bool:
        return self.login.store_nonce(request, response)

    def step_up(self, wanted: StepUp, refused: Secret) -> bool:
        return run(self.login.step_up(wanted, refused))

    def log_out(self) -> LoggedOut:
        return run(self.login.log_out())
