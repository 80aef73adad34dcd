"""Credentials for Azure's SDK (`TokenCredential`, `SupportsTokenInfo` and their asynchronous variants)."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

from keyfob.client.io.sdk.plain_token import expiry_of, plain_token
from keyfob.client.model.step_up import StepUp
from keyfob.client.session.login import Login
from keyfob.errors import LoginRequired, Refused
from keyfob.protocol.scope import Scope
from keyfob.run import run

_DEFAULT = "/.default"  # Microsoft's scope API/.default: every scope of the API for which the client is registered


async def _token_for(login: Login, scopes: tuple[str, ...], claims: str | None, tenant: str | None) -> tuple[str, int]:
    """Return the token and its expiry in Unix time.

    If the expiry is unknown, return the present time instead, so that the SDK does not cache the token.

    Raises:
        LoginRequired: The login lacks a scope or the claims; the error's hint is the command to run.
        Refused: The SDK requests a token of a tenant that is not the login's.
        KeyfobError: Any error of `plain_token`.
    """
    profile = login.profile
    if tenant and tenant.lower() not in profile.issuer.lower():
        raise Refused("the SDK requested a token of another tenant than the login's")
    if claims:  # continuous access evaluation: only an authorization request, with a user, can carry claims
        raise LoginRequired("the API requires claims that the login does not have", hint=profile.login_hint())
    stored = await plain_token(login)
    api = (profile.audience or "").rstrip("/")
    whole_api = Scope.of([f"{api}{_DEFAULT}", f"{api}/{_DEFAULT}"] if api else ())
    wanted = StepUp(Scope.of(scopes) - profile.scope - stored.scope - whole_api)
    if wanted.scope:
        line = wanted.command(profile, stored.scope)
        hint = f"Run: {line}" if line else f"Log in with the scope {wanted.scope.write()}."
        raise LoginRequired("the login lacks a scope that the SDK requested", hint=hint)
    until = expiry_of(stored)
    return stored.access_token.reveal(), int(time.time() if until is None else until.timestamp())


class AzureCredential:
    """A `TokenCredential` for `SecretClient(vault_url, credential=...)` and the SDK's other clients."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def get_token(
        self, *scopes: str, claims: str | None = None, tenant_id: str | None = None, **_options: object
    ) -> AccessToken:
        return AccessToken(*run(_token_for(self._login, scopes, claims, tenant_id)))

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        wanted = options or {}
        return AccessTokenInfo(*run(_token_for(self._login, scopes, wanted.get("claims"), wanted.get("tenant_id"))))

    def close(self) -> None:
        """Do nothing: the login owns the connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class AsyncAzureCredential:
    """An `AsyncTokenCredential` for the clients in `azure.*.aio`."""

    def __init__(self, login: Login) -> None:
        self._login = login

    async def get_token(
        self, *scopes: str, claims: str | None = None, tenant_id: str | None = None, **_options: object
    ) -> AccessToken:
        return AccessToken(*await _token_for(self._login, scopes, claims, tenant_id))

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        wanted = options or {}
        return AccessTokenInfo(*await _token_for(self._login, scopes, wanted.get("claims"), wanted.get("tenant_id")))

    async def close(self) -> None:
        """Do nothing: the login owns the connections."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        return None
