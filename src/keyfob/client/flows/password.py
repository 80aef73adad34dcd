"""Legacy: the password grant (RFC 6749 §4.3, Auth0's password-realm). RFC 9700 §2.4 forbids it.

This grant is only for servers that offer no other flow. It trains users to type passwords into programs, supports
neither passkeys nor federated login, and shows the password to the program. So keyfob warns at each login.
"""

from __future__ import annotations

from typing import Final

from keyfob.client.auth.client_auth import OAuthClient, request_tokens
from keyfob.client.auth.token_response import read_tokens, refuse
from keyfob.client.flows.mfa import prove_factor
from keyfob.client.model.notices import PasswordWarned
from keyfob.client.model.profile import Profile
from keyfob.client.ports import Question, World
from keyfob.errors import Misuse, Refused
from keyfob.protocol.fields import read_json
from keyfob.protocol.grants import PasswordGrant
from keyfob.protocol.http import Response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.oauth_error import OAuthError
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer

WARNING: Final = (
    "this passes your password to a program, which RFC 9700 forbids; log in with a browser or a code if you can"
)
_MFA_REQUIRED: Final = "mfa_required"
# Auth0's error codes for a password login, and what the user can do.
_HINTS: Final = {
    "invalid_grant": "Check the name and the password. If they are right, the account may be in another realm.",
    "unauthorized_client": "Enable the password grant for the client. Or: {another}",
    "unsupported_grant_type": "The server does not support the password grant. {another}",
    "requires_verification": "The server requires a check that you are human. {browser}",
    "password_leaked": "The password was found in a data breach. Change it on the login page of the server.",
    "too_many_attempts": (
        "The account is blocked after too many attempts. Wait, or follow the e-mail from the server."
    ),
    "too_many_logins": "Too many logins from here. Wait a minute and try again.",
    "temporarily_unavailable": "Too many attempts, or the server is busy. Wait a minute and try again.",
    "unauthorized": "The server refuses this user. Ask its administrator.",
    "server_error": "If the server has several user directories, name one as the realm.",
}
_FLAGS: Final = {"invalid_grant": "--realm NAME", "server_error": "--realm NAME"}


async def log_in(
    world: World, metadata: ServerMetadata, client: OAuthClient, profile: Profile, last_name: str = ""
) -> TokenAnswer:
    """Ask for user name and password, exchange them for tokens, and ask for a second factor if one is required.

    The password stays in memory for one request. If the profile has a user name, only the password is asked for.

    Args:
        last_name: The user name of the last login, offered as the default.

    Raises:
        Misuse: The profile does not allow passwords.
        Refused: The server refuses; the hint tells the user what to do.
        LoginRequired: There is no user to ask.
        Unreachable: The server does not answer.
        Malformed: The tokens violate the protocol.
        KeyfobError: Any error of `prove_factor`.
    """
    if not profile.allows_password:
        hint = "If the server supports nothing else, allow it; the profile stores that."
        raise Misuse("this profile does not allow the password grant", hint=hint, flags="--allow-password")
    world.notify(PasswordWarned(WARNING))
    username = profile.username
    if username is None:
        typed = await world.ask(Question("username", "User name or e-mail", default=last_name))
        username = typed.reveal()
    grant = PasswordGrant(
        username=username.strip(),
        password=await world.ask(Question("password", "Password", is_hidden=True)),
        target=profile.target,
        scope=profile.scope or None,
        has_realm=profile.realm is not None,
        realm=profile.realm,
    )
    if not grant.username or not len(grant.password):
        raise Refused("the user name or the password is empty", hint="Run the same command again.")
    response = await request_tokens(world, client, metadata.token_endpoint, grant)
    del grant
    if response.status == 200:
        return read_tokens(response, "the server refused to issue tokens", client.token_types)
    error = OAuthError.find(response)
    if error is not None and error.error == _MFA_REQUIRED:
        return await prove_factor(world, profile, metadata, client, _mfa_token(response, profile))
    if error is not None and error.error in _HINTS:
        hint, flags = _hint(profile, error.error), _FLAGS.get(error.error, "")
        refuse(response, "the server refused this login", hint, flags)
    return read_tokens(response, "the server refused this login", client.token_types)


def _hint(profile: Profile, error: str) -> str:
    by_browser = profile.login_hint(
        "Log in with a browser", "Log in with a browser", "--flow browser, or --flow device"
    )
    return _HINTS[error].format(another=_another_way(profile), browser=by_browser)


def _another_way(profile: Profile) -> str:
    lead = "Log in with another flow"
    return profile.login_hint(lead, f"{lead}, with a browser or a code", "--flow browser, or --flow device")


def _mfa_token(response: Response, profile: Profile) -> Secret:
    """Return the `mfa_token` of an error response.

    Raises:
        Refused: The response has no `mfa_token`, so the login cannot continue here.
    """
    token = read_json(response.body, "refusal").optional_text("mfa_token")
    if token is None:
        hint = f"Enable the MFA grants for the client. Or: {_another_way(profile)}"
        raise Refused("a second factor is required, but this client may not use the MFA grants", hint=hint)
    return Secret(token)
