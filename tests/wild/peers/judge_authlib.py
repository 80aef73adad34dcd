"""Authlib's validator of RFC 9068 tokens, behind its ResourceProtector."""

import requests
from authlib.oauth2 import OAuth2Error, ResourceProtector
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from talk import perform


class Shown:
    """As much of a framework's request as the protector looks at."""

    def __init__(self, call):
        self.headers = {"Authorization": call["authorization"]} if "authorization" in call else {}


def judge(issuer, audience, jwks_uri, scope, calls, **_):
    keys = requests.get(jwks_uri, timeout=5).json()

    class Validator(JWTBearerTokenValidator):
        def get_jwks(self):
            return keys

    protector = ResourceProtector()
    protector.register_token_validator(Validator(issuer, audience))

    def one(call):
        try:
            said = protector.validate_request([scope], Shown(call))
        except OAuth2Error as problem:
            return {"takes": False, "said": problem.error, "status": problem.status_code}
        except ValueError as problem:  # what joserfc raises of its own, before it comes to the token
            return {"takes": False, "said": type(problem).__name__}
        return {"takes": True, "sub": said["sub"]}

    return {name: one(call) for name, call in calls.items()}


perform({"judge": judge}, lambda _: {})
