"""auth0-python 6: Auth0's own. It has no device login, and no page to open: those parts are the caller's."""

import base64
import hashlib
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

from auth0.authentication import GetToken, RevokeToken, Users
from auth0.authentication.exceptions import Auth0Error
from auth0.authentication.pushed_authorization_requests import PushedAuthorizationRequests
from auth0.authentication.token_verifier import AsymmetricSignatureVerifier, TokenVerifier
from talk import ask, perform


def using(kind, issuer, client_id, secret=None, pem=None, **_):
    # What a domain is to Auth0, with the port of a tenant on this machine.
    domain = urlsplit(issuer).netloc
    return kind(domain, client_id, client_secret=secret, client_assertion_signing_key=pem, protocol="http")


def judged(tokens, issuer, client_id, nonce=None):
    verifier = TokenVerifier(AsymmetricSignatureVerifier(f"{issuer}.well-known/jwks.json"), issuer, client_id)
    return {**tokens, "claims": verifier.verify(tokens["id_token"], nonce=nonce)}


def credentials(audience, **told):
    return using(GetToken, **told).client_credentials(audience)


def password(username, password, audience, scope=None, realm=None, **told):
    found = using(GetToken, **told).login(username, password, scope=scope, realm=realm, audience=audience)
    return judged(found, told["issuer"], told["client_id"])


def guesses(tries, **told):
    """Wrong passwords, one after the other; the first other error is what is found, or the last one's."""
    for _ in range(tries - 1):
        try:
            password(**told)
        except Auth0Error as problem:
            if problem.error_code != "invalid_grant":
                raise
    return password(**told)


def code(callback, scope, audience, verifier=None, par=False, **told):
    right = secrets.token_urlsafe(32)
    state, nonce = secrets.token_urlsafe(), secrets.token_urlsafe()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(right.encode()).digest()).rstrip(b"=").decode()
    asked = {"scope": scope, "audience": audience, "state": state, "nonce": nonce}
    is_public = not told.get("secret")
    if is_public:
        asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    if par:
        pushing = using(PushedAuthorizationRequests, **told)
        pushed = pushing.pushed_authorization_request("code", callback, **asked)
        query = {"client_id": told["client_id"], "request_uri": pushed["request_uri"]}
    else:
        query = {"response_type": "code", "client_id": told["client_id"], "redirect_uri": callback, **asked}
    back = parse_qs(urlsplit(ask("browser", url=f"{told['issuer']}authorize?{urlencode(query)}")).query)
    assert back["state"] == [state]
    getting = using(GetToken, **told)
    if is_public:
        found = getting.authorization_code_pkce(verifier or right, back["code"][0], callback)
    else:
        found = getting.authorization_code(back["code"][0], callback)
    return judged(found, told["issuer"], told["client_id"], nonce)


def refresh(refresh_token, more=None, **told):
    return using(GetToken, **told).refresh_token(refresh_token, **(more or {}))


def revoke(token, **told):
    return {"answer": using(RevokeToken, **told).revoke_refresh_token(token)}


def userinfo(token, issuer, **_):
    return Users(urlsplit(issuer).netloc, protocol="http").userinfo(token)


FLOWS = {
    "credentials": credentials, "password": password, "guesses": guesses, "code": code, "refresh": refresh,
    "revoke": revoke, "userinfo": userinfo,
}  # fmt: skip


def explain(problem):
    found = {"error": "error_code", "status": "status_code", "content": "content", "reset_at": "reset_at"}
    return {name: getattr(problem, attribute, None) for name, attribute in found.items()}


perform(FLOWS, explain)
