"""The second step of a password login: choose a second factor and prove it (Auth0's MFA API).

This module cannot enroll a factor; the user does that in a browser.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from keyfob.client.auth.client_auth import OAuthClient, post, request_tokens
from keyfob.client.auth.token_response import read_tokens, refuse
from keyfob.client.flows.polling import TokenPoll, poll
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import ApprovalAwaited, FactorRefused, RecoveryCodeMade
from keyfob.client.model.profile import Profile
from keyfob.client.ports import Question, World
from keyfob.errors import Malformed, Refused
from keyfob.protocol.fields import read_json, read_json_list
from keyfob.protocol.grants import Grant, MfaOobGrant, MfaOtpGrant, MfaRecoveryGrant
from keyfob.protocol.http import JSON, Request, Response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.multifactor import ChallengeRequest, Factor
from keyfob.protocol.oauth_error import INVALID_GRANT, OAuthError
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer

LIFE: Final = timedelta(minutes=10)  # of an mfa_token at Auth0
PACE: Final = timedelta(seconds=5)
TRIES: Final = 3
_ENROL: Final = "Set up a second factor in a browser first"


@dataclass(frozen=True, slots=True)
class _Login:
    """A password login that still needs its second factor."""

    metadata: ServerMetadata
    client: OAuthClient
    mfa_token: Secret


async def prove_factor(
    world: World, profile: Profile, metadata: ServerMetadata, client: OAuthClient, mfa_token: Secret
) -> TokenAnswer:
    """Let the user choose a second factor and prove it.

    Args:
        mfa_token: The token in the token endpoint's `mfa_required` error.

    Raises:
        Refused: No factor is enrolled (code `factor-missing`), or the factor was not proven.
        LoginDeclined: The user declined on the other device.
        TimedOut: The user did not approve in time on the other device.
        Malformed: A response violates the protocol.
        Unreachable: The server does not answer.
        LoginRequired: There is no user to ask.
    """
    login = _Login(metadata, client, mfa_token)
    factors = await _list_factors(world, login)
    if not factors:
        hint = profile.login_hint(_ENROL, _ENROL, "--flow browser, or --flow device")
        raise Refused("a second factor is required, but none is set up", code="factor-missing", hint=hint)
    chosen = await _let_choose(world, factors)
    match chosen.kind:
        case "otp":
            question = Question("otp", "Code from your authenticator app")
            return await _by_code(world, login, question, partial(MfaOtpGrant, mfa_token))
        case "recovery-code":
            question = Question("recovery_code", "Recovery code", is_hidden=True)
            return await _by_code(world, login, question, partial(MfaRecoveryGrant, mfa_token))
        case "oob":
            return await _out_of_band(world, login, chosen)


async def _list_factors(world: World, login: _Login) -> tuple[Factor, ...]:
    """Return the enrolled factors.

    Raises:
        Refused: The server refuses the list.
    """
    bearer = ("authorization", f"Bearer {login.mfa_token.reveal()}")
    response = await world.send(Request("GET", _address(login, "authenticators"), (("accept", JSON), bearer)))
    if response.status != 200:
        refuse(response, "the server does not list the second factors")
    listed = read_json_list(response.body, "authenticators")
    known = [Factor.find(one) for one in listed]
    return tuple(factor for factor in known if factor is not None and factor.is_active)


async def _let_choose(world: World, factors: tuple[Factor, ...]) -> Factor:
    """Return the only factor, or let the user choose a factor by number. An empty answer means the first factor.

    Raises:
        Refused: The answer is not one of the numbers.
    """
    if len(factors) == 1:
        return factors[0]
    shown = "; ".join(f"{number}: {factor.words}" for number, factor in enumerate(factors, 1))
    typed = (await world.ask(Question("factor", f"Which second factor? {shown} [1]"))).reveal().strip() or "1"
    chosen = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < len(str(len(factors))) + 2 else 0
    if not 1 <= chosen <= len(factors):
        raise Refused("this is not one of the second factors", hint="Run the same command again, and type its number.")
    return factors[chosen - 1]


async def _by_code(world: World, login: _Login, question: Question, write: Callable[[Secret], Grant]) -> TokenAnswer:
    """Ask the user for a code and send it. After a typing error, ask again."""
    for _ in range(TRIES - 1):
        response = await _request(world, login, write(await _typed(world, question)))
        if not _is_wrong(response):
            break
        world.notify(FactorRefused())
    else:
        response = await _request(world, login, write(await _typed(world, question)))
    answer = read_tokens(response, "the server refused the second factor", login.client.token_types)
    _show_new_code(world, response)
    return answer


async def _request(world: World, login: _Login, grant: Grant) -> Response:
    return await request_tokens(world, login.client, login.metadata.token_endpoint, grant)


async def _out_of_band(world: World, login: _Login, factor: Factor) -> TokenAnswer:
    """Request a challenge, and complete it as its `binding_method` requires.

    If that is "prompt", the server has sent the user a code, and the user is asked for it. Otherwise, poll until the
    user approves the login on another device.

    Raises:
        Malformed: The challenge is not in Auth0's format.
    """
    request = ChallengeRequest(login.mfa_token, ("oob",), factor.authenticator_id)
    response = await post(world, login.client, _address(login, "challenge"), request.write(), as_json=True)
    if response.status != 200:
        refuse(response, "the server did not send a code")
    challenge = read_json(response.body, "challenge")
    oob_code = Secret(challenge.text("oob_code"))
    if challenge.optional_text("binding_method") == "prompt":
        question = Question("binding_code", f"Code that was sent ({factor.words})")
        return await _by_code(world, login, question, partial(MfaOobGrant, login.mfa_token, oob_code))
    start = world.now()
    ends = Moment(start.wall + LIFE, start.steady + LIFE)
    token_poll = TokenPoll(login.metadata.token_endpoint, MfaOobGrant(login.mfa_token, oob_code), PACE, ends)
    world.notify(ApprovalAwaited(factor.words, LIFE))
    return await poll(world, token_poll, login.client)


async def _typed(world: World, question: Question) -> Secret:
    """Return the user's answer without the spaces and dashes between groups of characters."""
    typed = (await world.ask(question)).reveal()
    return Secret("".join(letter for letter in typed if letter not in " -\t"))


def _is_wrong(response: Response) -> bool:
    """Return whether the server refused the code as wrong, and not because the login has expired."""
    error = OAuthError.find(response)
    return error is not None and error.error == INVALID_GRANT and "mfa_token" not in error.description


def _show_new_code(world: World, response: Response) -> None:
    """Show the next recovery code, since each code can be used only once."""
    try:
        fresh = read_json(response.body, "token answer").optional_text("recovery_code")
    except Malformed:
        return
    if fresh is not None:
        world.notify(RecoveryCodeMade(Secret(fresh)))


def _address(login: _Login, name: str) -> str:
    """Return the URL of one endpoint of the MFA API.

    If the metadata names the challenge endpoint, the other endpoints are in the same folder. Otherwise, they are in the
    folder `mfa` below the issuer.
    """
    known = login.metadata.mfa_challenge_endpoint
    home = known.rpartition("/")[0] if known else f"{login.metadata.issuer.removesuffix('/')}/mfa"
    return f"{home}/{name}"
