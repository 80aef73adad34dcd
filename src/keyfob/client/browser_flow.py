"""Log in through the browser of this machine (RFC 8252, RFC 6749 §4.1, RFC 7636, RFC 9207).

Written as a script that asks. The world listens on 127.0.0.1, opens the browser, and gives what comes back with our own
`state`; anything else that knocks is turned away there and does not end the wait.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NoReturn
from urllib.parse import urlencode

from keyfob.client.asks import Flow, browse, draw, hear, listen, send, tell
from keyfob.client.notices import BrowserOpened
from keyfob.client.profile import Profile
from keyfob.errors import LoginDeclined, Malformed, Refused, TimedOut
from keyfob.protocol.authorization import AuthorizationAnswer, AuthorizationRequest
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.grants import AuthorizationCodeGrant, TokenRequest
from keyfob.protocol.http import form_request
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.oauth_error import ACCESS_DENIED, OAuthError
from keyfob.protocol.pkce import S256, challenge_of
from keyfob.protocol.secret import Secret
from keyfob.protocol.target import Target
from keyfob.protocol.tokens import TokenAnswer

LONGEST_VISIT: Final = timedelta(minutes=10)
_BYTES: Final = 32
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class BrowserLogin:
    """What came of it: tokens, and the nonce that their ID token must carry."""

    answer: TokenAnswer
    nonce: str


def log_in(metadata: ServerMetadata, profile: Profile, ports: tuple[int, ...] = ()) -> Flow[BrowserLogin]:
    """Send the person to the issuer, and trade what comes back.

    Args:
        metadata: The issuer's.
        profile: What to ask for.
        ports: Those registered for the program, where the issuer compares them; () for any that is free.

    Raises:
        LoginDeclined: The person said no.
        TimedOut: Nobody came back within ten minutes.
        Refused: The server will not; code `flow-unavailable` where it has no such flow.
        Malformed: The answer breaks the protocol; with code `wrong-issuer` another server gave it (a mix-up).
        Misuse: None of the ports is free.
    """
    if metadata.authorization_endpoint is None:
        raise Refused("this server offers no login by browser", code="flow-unavailable", hint="Say --flow device.")
    state, nonce = (yield from _word()), (yield from _word())
    verifier = Secret((yield from _word()))
    callback = yield from listen(ports, state)
    asked = AuthorizationRequest(
        client_id=profile.client_id,
        redirect_uri=callback,
        scope=profile.scope,
        state=state,
        nonce=nonce if "openid" in profile.scope else None,
        code_challenge=challenge_of(verifier),
        code_challenge_method=S256,
        target=Target(profile.audience),
    )
    joint = "&" if "?" in metadata.authorization_endpoint else "?"
    address = f"{metadata.authorization_endpoint}{joint}{urlencode(asked.write())}"
    has_opened = yield from browse(address)
    yield from tell(BrowserOpened(address, LONGEST_VISIT, has_opened))
    found = yield from hear(LONGEST_VISIT)
    if found is None:
        raise TimedOut("nobody came back from the browser", hint="Run the same command again, or say --flow device.")
    code = _judge(found, metadata)
    grant = AuthorizationCodeGrant(code, callback, verifier)
    response = yield from send(form_request(metadata.token_endpoint, TokenRequest(profile.client_id, grant).write()))
    if response.status != _OK:
        error = OAuthError.find(response)
        said = f"{error.error}: {error.description}" if error else f"status {response.status}"
        raise Refused(f"the server gives no tokens ({said})", oauth_code=error.error if error else "")
    return BrowserLogin(TokenAnswer.read(read_json(response.body, "token answer")), nonce)


def _word() -> Flow[str]:
    """43 unguessable letters."""
    return base64.urlsafe_b64encode((yield from draw(_BYTES))).rstrip(b"=").decode("ascii")


def _judge(found: Mapping[str, str], metadata: ServerMetadata) -> Secret:
    """The code; its state was ours already.

    Raises:
        Malformed: Another issuer answers, or none says so though it promised to (RFC 9207 §2.4).
        LoginDeclined: The person said no.
        Refused: The server did.
    """
    answer = AuthorizationAnswer.read(Fields(found, "authorization answer"))
    names_itself = metadata.authorization_response_iss_parameter_supported
    if answer.issuer != (metadata.issuer if names_itself or answer.issuer is not None else None):
        raise Malformed(
            "the browser came back from another issuer than it was sent to",
            field="iss",
            code="wrong-issuer",
            hint="Close the browser's page and start again; tell whoever runs the server if it happens again.",
        )
    if answer.code is None:
        _refuse(OAuthError(answer.error or "", answer.description or ""))
    return Secret(answer.code)


def _refuse(error: OAuthError) -> NoReturn:
    """Say what the server said.

    Raises:
        LoginDeclined: The person said no.
        Refused: Anything else.
    """
    if error.error == ACCESS_DENIED:
        raise LoginDeclined("the login was declined", oauth_code=error.error)
    safe = OAuthError.read(Fields({"error": error.error, "error_description": error.description}, "answer"))
    said = f": {safe.description}" if safe.description else ""
    raise Refused(f"the server did not let the person log in ({safe.error}){said}", oauth_code=safe.error)
