"""Access tokens with one flaw each, for testing an API: every one of them must be refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.claims import AccessClaims
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret


@dataclass(frozen=True, slots=True)
class Mint:
    """Makes tokens as an issuer would, good ones and flawed ones.

    Attributes:
        key: The issuer's real key.
        other_key: A key that the issuer never published.
        now: When the tokens are made; aware, UTC.
    """

    issuer: str
    audience: str
    key: SigningKey
    other_key: SigningKey
    now: datetime
    scope: Scope = Scope()

    def claims(self) -> AccessClaims:
        """Claims without a flaw, valid for an hour."""
        return AccessClaims(
            issuer=self.issuer,
            subject="auth0|person",
            audience=(self.audience,),
            client_id="program",
            issued_at=self.now,
            expires_at=self.now + timedelta(hours=1),
            scope=self.scope,
        )

    def good(self) -> Secret:
        """A token that must be accepted (Auth0 profile)."""
        return self.of(self.claims())

    def of(self, claims: AccessClaims, *, key: SigningKey | None = None, token_type: str = "JWT") -> Secret:
        """A token that says this."""
        return sign(claims.write("auth0"), key or self.key, token_type=token_type)

    def saying(self, changed: Mapping[str, object]) -> Secret:
        """A token with raw claims replaced; None leaves a claim out."""
        members = {**self.claims().write("auth0"), **changed}
        return sign({name: value for name, value in members.items() if value is not None}, self.key, token_type="JWT")


def _other(part: bytes) -> bytes:
    return (b"B" if part[:1] == b"A" else b"A") + part[1:]


def _resigned(mint: Mint, header: Mapping[str, object], secret: bytes | None) -> Secret:
    payload = mint.good().reveal().split(".")[1]
    signing_input = _encode(json.dumps(header).encode()) + b"." + payload.encode()
    signature = b"" if secret is None else _encode(hmac.digest(secret, signing_input, hashlib.sha256))
    return Secret((signing_input + b"." + signature).decode())


def _encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _cut(mint: Mint, index: int, change: Callable[[bytes], bytes]) -> Secret:
    parts = mint.good().reveal().encode().split(b".")
    parts[index] = change(parts[index])
    return Secret(b".".join(parts).decode())


def _claims(**changed: object) -> Callable[[Mint], Secret]:
    return lambda mint: mint.saying(changed)


def _with_public_key_as_secret(mint: Mint) -> Secret:
    public = json.dumps(mint.key.public_jwk()).encode()
    return _resigned(mint, {"alg": "HS256", "typ": "JWT", "kid": mint.key.key_id}, public)


def sign_with_own_key(mint: Mint) -> Secret:
    """A token that carries the key it was signed with; a careless API would believe it (RFC 8725 §3.10)."""
    signed = mint.of(mint.claims(), key=mint.other_key).reveal()
    header = {"alg": "RS256", "typ": "JWT", "jwk": mint.other_key.public_jwk(), "jku": "https://evil.example/jwks"}
    return Secret(".".join((_encode(json.dumps(header).encode()).decode(), *signed.split(".")[1:])))


FLAWS: Final[dict[str, Callable[[Mint], Secret]]] = {
    "expired": lambda mint: mint.of(replace(mint.claims(), expires_at=mint.now - timedelta(hours=1))),
    "without exp": _claims(exp=None),
    "exp is a string": _claims(exp="4102444800"),
    "exp is true": _claims(exp=True),
    "exp is enormous": _claims(exp=1e300),
    "not valid yet": lambda mint: mint.saying({"nbf": int((mint.now + timedelta(hours=1)).timestamp())}),
    "issued in the future": lambda mint: mint.of(replace(mint.claims(), issued_at=mint.now + timedelta(hours=1))),
    "another issuer": _claims(iss="https://elsewhere.example/"),
    "issuer without its slash": lambda mint: mint.saying({"iss": mint.issuer.removesuffix("/")}),
    "another audience": _claims(aud="https://elsewhere.example/"),
    "audience is a prefix": lambda mint: mint.saying({"aud": mint.audience[:-1]}),
    "without aud": _claims(aud=None),
    "aud is a number": _claims(aud=7),
    "without sub": _claims(sub=None),
    "scope is a list": _claims(scope=["read:orders"]),
    "bound to a key": _claims(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
    "signed by another key": lambda mint: mint.of(mint.claims(), key=mint.other_key),
    "signed by another key under the right kid": lambda mint: mint.of(
        mint.claims(), key=replace(mint.other_key, key_id=mint.key.key_id)
    ),
    "alg none": lambda mint: _resigned(mint, {"alg": "none", "typ": "JWT"}, None),
    "alg NoNe": lambda mint: _resigned(mint, {"alg": "NoNe", "typ": "JWT"}, None),
    "HS256 with the public key": _with_public_key_as_secret,
    "brings its own key": sign_with_own_key,
    "typ of an ID token proof": lambda mint: mint.of(mint.claims(), token_type="dpop+jwt"),
    "typ of a logout token": lambda mint: mint.of(mint.claims(), token_type="logout+jwt"),
    "typ at+jwt without client_id and jti": lambda mint: mint.of(mint.claims(), token_type="at+jwt"),
    "changed payload": lambda mint: _cut(mint, 1, lambda part: part[:-2] + _other(part[-2:])),
    "changed signature": lambda mint: _cut(mint, 2, _other),
    "without signature": lambda mint: _cut(mint, 2, lambda _: b""),
    "padding": lambda mint: _cut(mint, 2, lambda part: part + b"="),
    "critical extension": lambda mint: _resigned(mint, {"alg": "RS256", "typ": "JWT", "crit": ["x"], "x": 1}, b"k"),
    "two parts": lambda mint: Secret(mint.good().reveal().rpartition(".")[0]),
    "five parts": lambda mint: Secret(mint.good().reveal() + ".x.y"),
    "rubbish": lambda _: Secret("rubbish"),
}
