"""PyJWT with its PyJWKClient."""

import jwt
from talk import perform


def judge(issuer, audience, jwks_uri, calls, **_):
    keys = jwt.PyJWKClient(jwks_uri)

    def one(authorization=None, query=None):
        token = (authorization or "").removeprefix("Bearer ")
        try:
            key = keys.get_signing_key_from_jwt(token)
            wanted = {"require": ["exp", "iat", "sub"]}
            said = jwt.decode(token, key, algorithms=["RS256"], audience=audience, issuer=issuer, options=wanted)
        except jwt.PyJWTError as problem:
            return {"takes": False, "said": type(problem).__name__}
        return {"takes": True, "sub": said["sub"]}

    return {name: one(**call) for name, call in calls.items()}


perform({"judge": judge}, lambda _: {})
