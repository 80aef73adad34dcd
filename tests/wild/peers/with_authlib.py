"""Authlib's OAuth2Session. It knows no device login: one polls in a loop, as its users do."""

import time

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from talk import ask, perform

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def session(issuer, client_id, method="none", secret=None, pem=None, scope=None, callback=None, **_):
    made = OAuth2Session(
        client_id,
        pem or secret,
        scope=scope,
        redirect_uri=callback,
        token_endpoint=f"{issuer}oauth/token",
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        code_challenge_method="S256",
    )
    # Whom the assertion is for: Auth0 wants its own address there, and not that of the endpoint.
    # It signs for an hour where nothing is said, and Auth0 takes five minutes.
    soon = {"exp": int(time.time()) + 180}
    made.register_client_auth_method(PrivateKeyJWT(issuer, claims=soon, headers={"kid": "wild"}))
    return made


def device(issuer, client_id, scope, audience, **_):
    with session(issuer, client_id) as made:
        asked = {"client_id": client_id, "scope": scope, "audience": audience}
        codes = made.post(f"{issuer}oauth/device/code", data=asked, withhold_token=True).json()
        ask("device", **codes)
        interval = codes["interval"]
        while True:
            try:
                return made.fetch_token(grant_type=DEVICE, device_code=codes["device_code"], client_id=client_id)
            except OAuthError as problem:
                if problem.error == "slow_down":
                    interval += 5
                elif problem.error != "authorization_pending":
                    raise
            time.sleep(interval)


def credentials(audience, **told):
    with session(**told) as made:
        return made.fetch_token(grant_type="client_credentials", audience=audience)


def password(username, password, audience, realm=None, **told):
    more = {"grant_type": "http://auth0.com/oauth/grant-type/password-realm", "realm": realm} if realm else {}
    with session(**told) as made:
        return made.fetch_token(username=username, password=password, audience=audience, **more)


def code(issuer, audience, verifier=None, **told):
    right = "v" * 40 + "-._~"
    with session(issuer, **told) as made:
        url, state = made.create_authorization_url(f"{issuer}authorize", code_verifier=right, audience=audience)
        back = ask("browser", url=url)
        return made.fetch_token(authorization_response=back, state=state, code_verifier=verifier or right)


def refresh(refresh_token, more=None, **told):
    with session(**told) as made:
        return made.refresh_token(refresh_token=refresh_token, **(more or {}))


def revoke(issuer, token, **told):
    with session(issuer, **told) as made:
        answer = made.revoke_token(f"{issuer}oauth/revoke", token=token, token_type_hint="refresh_token")
        return {"status": answer.status_code}


def introspect(issuer, token, **told):
    with session(issuer, **told) as made:
        return made.introspect_token(f"{issuer}oauth/introspect", token=token).json()


def userinfo(issuer, token, client_id, **_):
    with OAuth2Session(client_id, token={"access_token": token, "token_type": "Bearer"}) as made:
        answer = made.get(f"{issuer}userinfo")
        answer.raise_for_status()
        return answer.json()


FLOWS = {
    "device": device, "credentials": credentials, "password": password, "code": code, "refresh": refresh,
    "revoke": revoke, "userinfo": userinfo, "introspect": introspect,
}  # fmt: skip

perform(FLOWS, lambda problem: {"error": getattr(problem, "error", None)})
