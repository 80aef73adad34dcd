"""The authorization code flow with a loopback or pasted redirect (RFC 8252, RFC 6749 §4.1, RFC 7636, RFC 9207).

`begin` sends the user to the authorization server; `finish` exchanges the code. Between these calls, the `World`
(network, clock and user) listens for the redirect, and ignores a redirect with another `state`. If the user pastes the
redirect URI, this module checks the `state`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, NoReturn
from urllib.parse import urlencode

from keyfob.client.auth.client_auth import OAuthClient, post, request_tokens
from keyfob.client.auth.token_response import (
    flags_for,
    hint_for,
    read_tokens,
    refuse,
)
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.callback import ANYWHERE, Callback
from keyfob.client.model.notices import BrowserOpened, PasteAsked, PasteRefused
from keyfob.client.model.presets import habits_of
from keyfob.client.model.profile import Profile
from keyfob.client.ports import LoginEvent, Pasted, Redirected, World, random_word
from keyfob.errors import LoginDeclined, Malformed, Refused, Unreachable
from keyfob.protocol.authorization import AuthorizationAnswer, AuthorizationRequest
from keyfob.protocol.fields import Fields, read_form, read_json
from keyfob.protocol.grants import AuthorizationCodeGrant
from keyfob.protocol.http import Request
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.oauth_error import ACCESS_DENIED, OAuthError
from keyfob.protocol.pkce import S256, challenge_of
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer

LONGEST_VISIT: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class PendingAuthorization:
    """A pending authorization request.

    Attributes:
        address: The authorization request's URL, for a user who opens it by hand.
        nonce: The `nonce` that the ID token must carry; None if the request had no `nonce`.
    """

    address: str
    callback: str
    state: Secret
    verifier: Secret
    nonce: str | None


async def begin(
    world: World,
    metadata: ServerMetadata,
    client: OAuthClient,
    profile: Profile,
    *,
    opens: bool,
    offers_device: bool = False,
    assurance: Assurance = ANY_LOGIN,
    doubt: Refused | None = None,
) -> PendingAuthorization:
    """Start the listener and send the user to the authorization endpoint.

    For a browser on this machine, the response mode is `form_post` if the server supports that mode, so that the code
    does not stay in the browser's history. For a browser on another machine, the response mode is `query`, so that the
    user can paste the redirect URI.

    Args:
        opens: Whether to open a browser on this machine. If False, the user pastes the redirect URI.
        offers_device: Whether the user may still switch to the device flow.
        assurance: Requirements on the user's authentication.
        doubt: The server's refusal of an earlier flow; None if there was none. If there was one, keyfob first tests the
            authorization endpoint. If that refuses the client too, the client ID is probably unknown, and `doubt` is
            raised.

    Raises:
        Refused: The server has no authorization endpoint (code `flow-unavailable`). Or the authorization endpoint
            refuses the client; the error is then `doubt`.
        Misuse: No port is free.
        Unreachable: The server requires a pushed request (RFC 9126), but does not answer it.
    """
    if metadata.authorization_endpoint is None:
        what = "this server does not support the browser flow"
        raise Refused(what, code="flow-unavailable", hint="Log in with a code (device flow).", flags="--flow device")
    state, nonce = random_word(world), random_word(world)
    verifier = Secret(random_word(world))
    callbacks = tuple(map(Callback.read, profile.callbacks)) or ANYWHERE
    request = AuthorizationRequest(
        client_id=profile.client_id,
        redirect_uri=await world.listen(callbacks, state),
        scope=profile.scope,
        state=state,
        nonce=nonce if "openid" in profile.scope else None,
        code_challenge=challenge_of(verifier),
        code_challenge_method=S256,
        target=profile.target,
        key_thumbprint=None if client.dpop_key is None else client.dpop_key.thumbprint,
        acr_values=assurance.acr_values,
        max_age=assurance.max_age,
        prompt=assurance.prompt,
    )
    address = await _address(world, metadata, client, request)
    if doubt is not None and await _is_error_page(world, address):
        raise doubt
    if opens:
        has_form = "form_post" in metadata.response_modes_supported
        opened = replace(request, response_mode="form_post") if has_form else request
        has_opened = await world.open_browser(await _address(world, metadata, client, opened) if has_form else address)
        world.notify(BrowserOpened(address, LONGEST_VISIT, has_opened, offers_device))
    else:
        world.notify(PasteAsked(address, LONGEST_VISIT))
    return PendingAuthorization(address, request.redirect_uri, Secret(state), verifier, request.nonce)


def read_answer(world: World, browser_login: PendingAuthorization, event: LoginEvent) -> Mapping[str, str] | None:
    """Return the redirect's parameters; None if the event is not the response to this request."""
    if isinstance(event, Redirected):
        return event.parameters
    if isinstance(event, Pasted):
        problem, parameters = _read_pasted(browser_login, event.text)
        if parameters is not None:
            return parameters
        world.notify(PasteRefused(problem))
    return None


async def finish(
    world: World,
    metadata: ServerMetadata,
    client: OAuthClient,
    browser_login: PendingAuthorization,
    parameters: Mapping[str, str],
) -> TokenAnswer:
    """Check the authorization response and exchange the code for tokens.

    Raises:
        LoginDeclined: The user declined.
        Refused: The server refused.
        Malformed: The response violates the protocol; code `wrong-issuer` if another server sent the response (a mix-up
            attack).
        Unreachable: The server does not answer.
    """
    code = _read_code(parameters, metadata)
    grant = AuthorizationCodeGrant(code, browser_login.callback, browser_login.verifier)
    response = await request_tokens(world, client, metadata.token_endpoint, grant)
    return read_tokens(response, "the server refused to issue tokens", client.token_types)


async def _address(world: World, metadata: ServerMetadata, client: OAuthClient, request: AuthorizationRequest) -> str:
    """Return the authorization request's URL. Push its parameters if the server requires that (RFC 9126 §2, §4)."""
    parameters = {**habits_of(metadata.issuer).parameters, **request.write()}
    endpoint = metadata.authorization_endpoint or ""
    pushed_to = metadata.pushed_authorization_request_endpoint
    if metadata.require_pushed_authorization_requests and pushed_to is not None:
        response = await post(world, client, pushed_to, parameters, proves=True)
        if response.status not in {200, 201}:
            refuse(response, "the server refused the pushed authorization request")
        pushed = read_json(response.body, "pushed request").text("request_uri")
        parameters = {"client_id": request.client_id, "request_uri": pushed}
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"


async def _is_error_page(world: World, address: str) -> bool:
    """Return whether the server answers an authorization request with an error page (RFC 6749 §4.1.2.1).

    keyfob sends the request without a browser, and reads only the status. If the request was pushed, return False
    without sending it, since the server accepts its `request_uri` only once.
    """
    if "request_uri=" in address:
        return False
    try:
        response = await world.send(Request("GET", address))
    except (Unreachable, Malformed):
        return False
    return 400 <= response.status < 500 and response.status != 429


def _read_pasted(browser_login: PendingAuthorization, text: Secret) -> tuple[str, dict[str, str] | None]:
    """Return ("", parameters) for a pasted redirect URI of this login; otherwise, (error message, None).

    The error message does not contain the pasted text.
    """
    query = text.reveal().strip().partition("#")[0]
    try:
        fields = read_form((query.partition("?")[2] or query).encode(), "pasted answer")
        state = fields.optional_text("state")
    except Malformed:
        return "this is not a web address", None
    if state is None:
        return "this is not the address at which the browser ended; that one contains code= and state=", None
    if Secret(state) != browser_login.state:
        return "this address belongs to another login", None
    return "", {name: str(value) for name, value in fields.values.items()}


def _read_code(parameters: Mapping[str, str], metadata: ServerMetadata) -> Secret:
    """Return the code of an authorization response whose `state` was already checked.

    Raises:
        Malformed: `iss` names another issuer, or is missing although the metadata announces it (RFC 9207 §2.4).
        LoginDeclined: The user declined.
        Refused: The server refused.
    """
    answer = AuthorizationAnswer.read(Fields(parameters, "authorization answer"))
    sends_issuer = metadata.authorization_response_iss_parameter_supported
    if answer.issuer != (metadata.issuer if sends_issuer or answer.issuer is not None else None):
        raise Malformed(
            "the response in the browser came from another issuer than the request went to",
            field="iss",
            code="wrong-issuer",
            hint=(
                "Close the page in the browser and start again. If it happens again, tell the server's administrator."
            ),
        )
    if answer.code is None:
        _refuse(OAuthError(answer.error or "", answer.description or ""))
    return Secret(answer.code)


def _refuse(error: OAuthError) -> NoReturn:
    """Raise the error of an authorization response.

    Raises:
        LoginDeclined: The user declined.
        Refused: Any other error.
    """
    if error.error == ACCESS_DENIED:
        raise LoginDeclined("the login was declined", oauth_code=error.error)
    safe = OAuthError.read(Fields({"error": error.error, "error_description": error.description}, "answer"))
    reason = f": {safe.description}" if safe.description else ""
    what, hint = f"the server refused the login ({safe.error}){reason}", hint_for(safe)
    raise Refused(what, oauth_code=safe.error, hint=hint, flags=flags_for(hint))
