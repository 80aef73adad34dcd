"""A login that is kept, for a program that waits: a valid token when asked, refreshed once for everybody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.client.asks import Flow
from keyfob.client.auth.credentials import Proofs, ReadCredential
from keyfob.client.drive import T, drive
from keyfob.client.flows.logout import LoggedOut
from keyfob.client.model.account_mismatch import MayAdopt, MaySwitch, adopt_any, refuse_switch
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.moment import Moment
from keyfob.client.model.profile import Profile
from keyfob.client.model.step_up import StepUp
from keyfob.client.model.stored_login import Held
from keyfob.client.ports import Vault, World
from keyfob.client.session.calls import Brought, Calls
from keyfob.client.session.login import KeptLogin
from keyfob.errors import KeyfobError, VaultUnavailable
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.flows.choice import Choice
    from keyfob.client.model.pending_login import PendingLogin

_ID_BYTES: Final = 16


class Session:
    """One profile's login, in one vault, in one world; safe to share between threads. Raises as `KeptLogin` does."""

    def __init__(
        self,
        profile: Profile,
        vault: Vault,
        world: World,
        credential: ReadCredential | None = None,
        step_up: Callable[[StepUp], object] | None = None,
    ) -> None:
        """Know where to look; look at nothing yet.

        Args:
            profile: Which login.
            vault: Where it is kept.
            world: Who answers.
            credential: Reads what a program proves itself with; needed by profiles of machines.
            step_up: Logs in again, when an API wants more of the login.
        """
        self.profile = profile
        self._proofs = Proofs(profile, credential)
        self._kept = KeptLogin(profile, self._proofs)
        self._vault = vault
        self._world = world
        self._steps_up = step_up
        self._stepping = threading.Lock()

    def log_in(
        self,
        *,
        opens_page: bool = False,
        assurance: Assurance = ANY_LOGIN,
        may_switch: MaySwitch = refuse_switch,
        may_adopt: MayAdopt = adopt_any,
    ) -> Held:
        """As `KeptLogin.log_in`."""
        flow = self._kept.log_in(opens_page=opens_page, assurance=assurance, may_switch=may_switch, may_adopt=may_adopt)
        return self._drive(flow)

    def plan(self) -> Choice:
        """Which ways there are to log in from here, and why. Raises as the flow."""
        from keyfob.client.flows import interactive as login_flow  # noqa: PLC0415

        return self._drive(login_flow.plan(self.profile))

    def begin(self, assurance: Assurance = ANY_LOGIN) -> PendingLogin:
        """As `KeptLogin.begin`."""
        return self._drive(self._kept.begin(assurance))

    def resume(self, may_switch: MaySwitch = refuse_switch, may_adopt: MayAdopt = adopt_any) -> Held:
        """As `KeptLogin.resume`."""
        return self._drive(self._kept.resume(may_switch, may_adopt))

    def held(self) -> Held:
        """As `KeptLogin.held`."""
        return self._drive(self._kept.held())

    def token(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> Secret:
        """The access token of `fresh`."""
        return self.fresh(min_ttl, renew=renew).access_token

    def fresh(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> Held:
        """As `KeptLogin.fresh`."""
        return self._drive(self._kept.fresh(min_ttl, renew=renew))

    def send(self, request: Request) -> Response:
        """Send a request with the token, once more where that may help (`Calls`). No redirect is followed.

        Raises:
            Misuse: The address is neither https nor on this machine.
            KeyfobError: As `fresh`, or nobody answers.
        """
        return Calls(self).send(request, self._world.send)

    def bring(self, request: Request, *, renew: bool = False) -> Brought:
        """A token for one request, with a fresh proof if it is bound to a key (RFC 9449 §7.1). Raises as `fresh`."""
        held = self.fresh(renew=renew)
        return bring(self._proofs, held, request, self._world.now(), self._world.random(_ID_BYTES))

    def heed(self, request: Request, response: Response) -> bool:
        """Keep the nonce of an API's answer; whether there was a new one."""
        return self._proofs.heed(request, response)

    def step_up(self, wanted: StepUp, refused: Secret) -> bool:
        """Log in again, if somebody was named who does that; of many that are refused at once, one does.

        The others wait, threads and processes alike, so that no tab opens after tab; they find what that one got.

        Args:
            wanted: What the API misses.
            refused: The token that it was shown.

        Raises:
            KeyfobError: As whoever logs in.
        """
        if self._steps_up is None:
            return False
        with self._stepping, self._alone():
            held = self._drive(self._kept.load())
            if held is None or held.access_token == refused or wanted.scope - held.scope:
                self._steps_up(wanted)
        return True

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Wait as long as a person may take to log in.

        Raises:
            VaultUnavailable: Nobody can be waited for here.
        """
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(self._vault.lock(f"{self.profile.name}+login"))
                    break
                except VaultUnavailable as problem:
                    if problem.code != "vault-busy":
                        raise
            yield

    def log_out(self) -> LoggedOut:
        """End the login at the server; forgotten here first, and also when it is interrupted.

        Raises:
            KeyfobError: As `KeptLogin.take_out` and `KeptLogin.end`.
            BaseException: The person has had enough.
        """
        try:
            taken = self._drive(self._kept.take_out())
        except KeyfobError:
            raise
        except BaseException:  # perhaps we still waited for the lock
            self._vault.forget(self.profile.name)
            raise
        return self._drive(self._kept.end(taken))

    def _drive(self, flow: Flow[T]) -> T:
        return drive(flow, self._world, self._vault)


def bring(proofs: Proofs, held: Held, request: Request, moment: Moment, chance: bytes) -> Brought:
    """The headers that carry a login's token to one request.

    Args:
        proofs: Of its profile.
        held: The login.
        request: Which.
        moment: Now, by our clock.
        chance: What makes a proof unlike any other.
    """
    token, provers = held.access_token, proofs.provers(held)
    if provers is None or held.token_type != "DPoP":
        return Brought(token, (("authorization", f"Bearer {token.reveal()}"),))
    shown = (("authorization", f"DPoP {token.reveal()}"),)
    return Brought(token, shown + provers[1].prove(request, moment.wall + held.skew, chance, token))
