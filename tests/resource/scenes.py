"""What the guard's tests share beside the mint: issuers that can be asked, a clock that a test moves, requests."""

from __future__ import annotations

from datetime import timedelta

from keyfob.errors import Unreachable
from keyfob.guard import Denial, Policy, Principal, require
from keyfob.jose.keys import SigningKey
from keyfob.protocol.challenge import Challenge
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.resource.io.keys import IssuerKeys
from keyfob.resource.judge import TrustedIssuer, Verifier
from keyfob.testing.flawed_tokens import TokenMaker

from .conftest import AUDIENCE, ISSUER, NOW

READ = (require("read:orders"),)


class Issuer:
    """An issuer that publishes keys and counts who asks; it can fall silent."""

    def __init__(self, *keys: SigningKey, issuer: str = ISSUER) -> None:
        self.keys = list(keys)
        self.asked: list[str] = []
        self.silent = False
        self.issuer = issuer
        self.home = issuer
        self.cache_control = "max-age=600"

    def __call__(self, request: Request) -> Response:
        self.asked.append(request.path)
        if self.silent:
            raise Unreachable("silent")
        if request.path.endswith("jwks.json"):
            odd: dict[str, object] = {"kty": "AKP", "kid": "odd"}
            members = {"keys": [odd, *(key.public_jwk() for key in self.keys)]}
            return json_response(200, members, headers=(("cache-control", self.cache_control),))
        metadata = {"issuer": self.issuer, "token_endpoint": self.home + "t", "jwks_uri": self.home + "jwks.json"}
        return json_response(200, metadata)

    @property
    def key_fetches(self) -> int:
        return self.asked.count("/jwks.json")


class Steady:
    """A steady clock that a test moves."""

    def __init__(self) -> None:
        self.at = timedelta(days=1)

    def __call__(self) -> float:
        return self.at.total_seconds()


def verifier_of(issuer: Issuer, steady: Steady) -> Verifier:
    trusted = TrustedIssuer(Policy(ISSUER, AUDIENCE), IssuerKeys(ISSUER, issuer, steady))
    return Verifier([trusted], clock=lambda: NOW)


def call(token: Secret | None, *more: tuple[str, str], scheme: str = "Bearer") -> Request:
    shown = () if token is None else (("authorization", f"{scheme} {token.reveal()}"),)
    return Request("GET", "/orders", shown + more)


def challenges_of(found: Principal | Denial) -> dict[str, Challenge]:
    """By scheme, as a client reads them."""
    assert isinstance(found, Denial)
    headers = [value for name, value in found.response().headers if name == "www-authenticate"]
    read = Challenge.read_all(headers)
    assert len({challenge.scheme for challenge in read}) == len(read)
    return {challenge.scheme: challenge for challenge in read}


def challenge_of(found: Principal | Denial) -> Challenge:
    (challenge,) = challenges_of(found).values()
    return challenge


def error_of(found: Principal | Denial) -> tuple[int, str]:
    assert isinstance(found, Denial)
    return found.status, found.error


def as_machine(mint: TokenMaker) -> Secret:
    return mint.saying({"sub": "program"})
