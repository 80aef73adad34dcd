"""requests-oauth2client: strict about answers, and the one Python client with a key of its own (DPoP)."""

from requests_oauth2client import (
    ClientSecretBasic,
    ClientSecretPost,
    DeviceAuthorizationPollingJob,
    OAuth2Client,
    PrivateKeyJwt,
    PublicApp,
)
from talk import ask, perform


def client(issuer, client_id, method="none", secret=None, jwk=None, callback=None, **_):
    if method == "private_key_jwt":
        # Whom the assertion is for: Auth0 wants its own address there, and not that of the endpoint.
        auth = PrivateKeyJwt(client_id, jwk, alg="RS256", aud=issuer)
    elif method == "client_secret_basic":
        auth = ClientSecretBasic(client_id, secret)
    elif method == "client_secret_post":
        auth = ClientSecretPost(client_id, secret)
    else:
        auth = PublicApp(client_id)
    # It does not read the device endpoint from the metadata.
    return OAuth2Client.from_discovery_endpoint(
        issuer=issuer,
        auth=auth,
        redirect_uri=callback,
        device_authorization_endpoint=f"{issuer}oauth/device/code",
        testing=True,
    )


def shown(tokens):
    names = ("access_token", "refresh_token", "token_type", "scope", "id_token")
    found = {name: str(getattr(tokens, name)) for name in names if getattr(tokens, name, None)}
    return {**found, "claims": getattr(tokens.id_token, "claims", None)}


def discovery(**told):
    made = client(**told)
    names = ("issuer", "token_endpoint", "pushed_authorization_request_endpoint", "introspection_endpoint")
    return {name: getattr(made, name) for name in names}


def device(scope, audience, hurry=False, dpop=False, **told):
    made = client(**told)
    codes = made.authorize_device(scope=scope, audience=audience)
    asked = {"user_code": codes.user_code, "verification_uri": codes.verification_uri}
    ask("device", **asked)
    job = DeviceAuthorizationPollingJob(made, codes, interval=0.2 if hurry else None, dpop=dpop)
    tokens = None
    while tokens is None:
        tokens = job()
    return shown(tokens)


def credentials(audience, scope=None, dpop=False, **told):
    return shown(client(**told).client_credentials(scope=scope, audience=audience, dpop=dpop))


def password(username, password, audience, scope=None, **told):
    return shown(client(**told).resource_owner_password(username, password, scope=scope, audience=audience))


def authorized(made, scope, audience, par=False, verifier=None, dpop=False, validate=True):
    asked = made.authorization_request(scope=scope, audience=audience, dpop=dpop)
    url = made.pushed_authorization_request(asked).uri if par else asked.uri
    back = asked.validate_callback(ask("browser", url=url))
    more = {"code_verifier": verifier} if verifier else {}
    return made.authorization_code(back, validate=validate, **more)


def code(scope, audience, par=False, verifier=None, **told):
    return shown(authorized(client(**told), scope, audience, par, verifier))


def refresh(refresh_token, more=None, **told):
    return shown(client(**told).refresh_token(refresh_token, **(more or {})))


def revoke(token, **told):
    return {"revoked": client(**told).revoke_refresh_token(token)}


def userinfo(token, **told):
    return client(**told).userinfo(token)


def introspect(token, **told):
    return client(**told).introspect_token(token)


def dpop(scope, audience, **told):
    made = client(**told)
    # 1.8 cannot judge an ID token that came with a bound token: it forgets the key on the way, and raises TypeError.
    tokens = authorized(made, scope, audience, dpop=True, validate=False)
    userinfo = made.userinfo(tokens)
    renewed = made.refresh_token(tokens)
    found = {"userinfo": userinfo, "renewed": shown(renewed), "thumbprint": tokens.dpop_key.dpop_jkt}
    return {**shown(tokens), **found}


FLOWS = {
    "discovery": discovery, "device": device, "credentials": credentials, "password": password, "code": code,
    "refresh": refresh, "revoke": revoke, "userinfo": userinfo, "introspect": introspect, "dpop": dpop,
}  # fmt: skip


def explain(problem):
    response = getattr(problem, "response", None)
    return {"error": getattr(problem, "error", None), "status": getattr(response, "status_code", None)}


perform(FLOWS, explain)
