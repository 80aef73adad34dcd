import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.credentials import SupportsTokenInfo, TokenCredential
from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from keyfob.errors import LoginRequired, Misuse, Refused
from keyfob.login import App, Session, aio
from keyfob.protocol.scope import Scope
from keyfob.run import run
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.strict_issuer import StrictIssuer

AUDIENCE = "https://api.example/"
TENANT = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


class Party:
    """A client with a login at a strict issuer."""

    def __init__(
        self, left: timedelta = timedelta(hours=1), *, audience: str | None = AUDIENCE, **changed: object
    ) -> None:
        self.issuer = StrictIssuer()
        self.vault = MemoryVault()
        self.app = App(issuer=self.issuer.issuer, client_id="cli", audience=audience, profile="default",
                       vault=self.vault, world=self.issuer.world(), login_command="orders login")  # fmt: skip
        self.stored = replace(self.issuer.log_in(self.app.profile, expires_in=left), **changed)
        self.stored = replace(self.stored, scope=Scope.of(["read:orders"]))
        run(self.vault.save("default", self.stored))

    @property
    def session(self) -> Session:
        return self.app.session()


def google(session: Session) -> str:
    credentials = session.auth_for_google()
    credentials.refresh(None)
    return str(credentials.token)


def mcp(session: Session) -> str:
    return asyncio.run(session.auth_for_mcp().get_tokens()).access_token


# What each SDK calls to get the token that it sends.
ADAPTERS: dict[str, Callable[[Session], str]] = {
    "google": google,
    "azure": lambda session: session.auth_for_azure().get_token("read:orders").token,
    "azure, in full": lambda session: session.auth_for_azure().get_token_info("read:orders").token,
    "botocore": lambda session: session.auth_for_botocore().load_token(signing_name="any").get_frozen_token().token,
    "globus": lambda session: session.auth_for_globus().get_authorization_header().removeprefix("Bearer "),
    "mcp": mcp,
}
every_sdk = pytest.mark.parametrize("sdk", ADAPTERS)


@every_sdk
def test_an_sdk_gets_the_stored_token(sdk: str) -> None:
    party = Party()

    assert ADAPTERS[sdk](party.session) == "at-1-1"
    assert party.issuer.refreshes == 0


@every_sdk
def test_a_token_that_has_expired_is_refreshed_once_for_all_sdks(sdk: str) -> None:
    party = Party(timedelta(hours=-1))

    assert {get(party.session) for get in (ADAPTERS[sdk], *ADAPTERS.values())} == {"at-1-2"}
    assert party.issuer.refreshes == 1


@every_sdk
def test_without_a_login_an_sdk_raises_what_names_the_command(sdk: str) -> None:
    party = Party()
    run(party.vault.delete("default"))

    with pytest.raises(LoginRequired) as raised:
        ADAPTERS[sdk](party.session)
    assert raised.value.hint == "Run: orders login"


@every_sdk
def test_a_token_that_is_bound_to_a_key_is_not_given_to_an_sdk(sdk: str) -> None:
    with pytest.raises(Refused) as raised:
        ADAPTERS[sdk](Party(token_type="DPoP").session)
    assert raised.value.code == "token-bound"
    assert "at-1" not in str(raised.value)


def test_google_is_told_when_the_token_expires_by_this_machines_clock() -> None:
    party = Party(skew=timedelta(hours=5))  # the stored expiry is by the server's clock
    run(party.vault.save("default", replace(party.stored, expires_at=party.stored.expires_at + timedelta(hours=5))))
    credentials = party.session.auth_for_google()
    credentials.refresh(None)

    assert credentials.valid
    assert abs(credentials.expiry.replace(tzinfo=UTC) - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)


def test_google_gets_another_token_after_a_401_and_only_then() -> None:
    party = Party()
    credentials, other = party.session.auth_for_google(), party.session.auth_for_google()
    credentials.refresh(None)
    other.refresh(None)

    for refused in (credentials, other):  # Google's libraries refresh what looks valid, after a 401
        refused.refresh(None)
        assert refused.token == "at-1-2"
    assert party.issuer.refreshes == 1


def test_google_does_not_ask_again_and_again_for_a_token_of_a_short_life() -> None:
    party = Party(timedelta(minutes=-1))
    party.issuer.lifetime = timedelta(minutes=2)
    credentials = party.session.auth_for_google()
    for _ in range(3):
        assert not credentials.valid
        credentials.refresh(None)

    assert party.issuer.refreshes == 1


def test_globus_gets_another_token_after_a_401() -> None:
    party = Party()
    authorizer, other = party.session.auth_for_globus(), party.session.auth_for_globus()
    assert authorizer.get_authorization_header() == other.get_authorization_header() == "Bearer at-1-1"

    assert authorizer.handle_missing_authorization()
    assert other.handle_missing_authorization()
    assert authorizer.get_authorization_header() == other.get_authorization_header() == "Bearer at-1-2"
    assert party.issuer.refreshes == 1


def test_globus_shows_the_answer_of_the_api_if_there_is_no_other_token() -> None:
    party = Party(refresh_token=None)
    authorizer = party.session.auth_for_globus()
    authorizer.get_authorization_header()

    assert not authorizer.handle_missing_authorization()


@pytest.mark.parametrize("scope", ["read:orders", f"{AUDIENCE}.default", f"{AUDIENCE}/.default"])
def test_azure_gets_the_token_for_a_scope_that_the_login_has(scope: str) -> None:
    credential = Party().session.auth_for_azure()

    assert credential.get_token(scope).token == "at-1-1"
    assert abs(credential.get_token(scope).expires_on - datetime.now(UTC).timestamp() - 3600) < 60


@pytest.mark.parametrize("scope", ["https://vault.azure.net/.default", "write:orders", ".default", "/.default"])
def test_azure_gets_no_token_for_a_scope_that_the_login_lacks(scope: str) -> None:
    with pytest.raises(LoginRequired) as raised:
        Party().session.auth_for_azure().get_token(scope)
    assert "orders login" in raised.value.hint


def test_azure_gets_no_token_for_the_scope_of_a_whole_api_if_the_login_names_none() -> None:
    for scope in ("/.default", "//.default", f"{AUDIENCE}.default"):
        with pytest.raises(LoginRequired):
            Party(audience=None).session.auth_for_azure().get_token(scope)


def test_azure_gets_no_token_for_another_tenant_or_for_more_claims() -> None:
    credential = Party().session.auth_for_azure()

    with pytest.raises(Refused):
        credential.get_token("read:orders", tenant_id=TENANT)
    with pytest.raises(LoginRequired):
        credential.get_token("read:orders", claims='{"access_token": {}}')
    with pytest.raises(LoginRequired):
        credential.get_token_info("read:orders", options={"claims": '{"access_token": {}}', "enable_cae": True})


def test_azure_asks_for_each_request_if_the_expiry_is_unknown() -> None:
    found = Party(expires_at=None).session.auth_for_azure().get_token("read:orders")

    assert found.expires_on <= datetime.now(UTC).timestamp()


def test_the_credentials_for_azure_have_the_methods_of_its_protocols() -> None:
    party = Party(timedelta(hours=-1))
    blocking, looping = party.session.auth_for_azure(), aio.App(party.app).session().auth_for_azure()

    async def act() -> list[str]:
        async with looping as credential:
            found = [(await credential.get_token("read:orders")).token for _ in range(2)]
            return [*found, (await credential.get_token_info("read:orders")).token]

    with blocking as credential:
        assert isinstance(credential, TokenCredential)
        assert isinstance(credential, SupportsTokenInfo)
    assert isinstance(looping, AsyncTokenCredential)
    assert isinstance(looping, AsyncSupportsTokenInfo)
    assert asyncio.run(act()) == ["at-1-2"] * 3
    assert party.issuer.refreshes == 1


def test_the_mcp_sdk_gets_no_refresh_token_and_cannot_replace_the_login() -> None:
    party = Party()
    storage = party.session.auth_for_mcp()

    async def act() -> None:
        tokens, client = await storage.get_tokens(), await storage.get_client_info()
        assert (tokens.refresh_token, tokens.scope, client.client_id) == (None, "read:orders", "cli")
        assert tokens.expires_in is not None
        assert 3500 < tokens.expires_in <= 3600
        with pytest.raises(Misuse):
            await storage.set_tokens(OAuthToken(access_token="of the SDK"))
        with pytest.raises(Misuse):
            await storage.set_client_info(OAuthClientInformationFull(client_id="another"))

    asyncio.run(act())
    assert run(party.vault.load("default")) == party.stored
