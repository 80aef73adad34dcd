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
from keyfob.jose.tokens import sign, sign_bytes
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


def _headed(**header: object) -> Callable[[Mint], Secret]:
    """Signed as it should be, with more in its header."""
    return lambda mint: sign(
        mint.claims().write("auth0"), mint.key, token_type="JWT", header={"kid": mint.key.key_id, **header}
    )


def _spelt(header: str, payload: str) -> Callable[[Mint], Secret]:
    """Signed as it should be, over JSON that is written by hand; `%` stands for what there usually is."""

    def make(mint: Mint) -> Secret:
        usual = (json.dumps({"alg": mint.key.algorithm, "typ": "JWT", "kid": mint.key.key_id}),)
        said = (json.dumps(mint.claims().write("auth0")),)
        parts = (header.replace("%", usual[0][1:-1]), payload.replace("%", said[0][1:-1]))
        return sign_bytes(b".".join(_encode(part.encode("utf-8", "surrogateescape")) for part in parts), mint.key)

    return make


def _upper(mint: Mint) -> Secret:
    scheme, _, rest = mint.issuer.partition("://")
    return mint.saying({"iss": f"{scheme.upper()}://{rest}"})


def _at_jwt(mint: Mint, **changed: object) -> Secret:
    claims = {**replace(mint.claims(), token_id="one").write("rfc9068"), **changed}
    return sign({name: said for name, said in claims.items() if said is not None}, mint.key, token_type="at+jwt")


def _as_der(mint: Mint) -> Secret:
    """An ES256 signature as DER has it, which RFC 7518 §3.4 does not."""
    signed, _, _ = mint.good().reveal().rpartition(".")
    return Secret(f"{signed}.{_encode(b'0F' + bytes(70)).decode()}")


def _encrypted(_: Mint) -> Secret:
    header = json.dumps({"alg": "dir", "enc": "A256GCM", "zip": "DEF", "cty": "JWT"}).encode()
    return Secret(b".".join(_encode(part) for part in (header, b"", bytes(12), bytes(64), bytes(16))).decode())


def _with_public_key_as_secret(mint: Mint) -> Secret:
    public = json.dumps(mint.key.public_jwk()).encode()
    return _resigned(mint, {"alg": "HS256", "typ": "JWT", "kid": mint.key.key_id}, public)


def sign_with_own_key(mint: Mint) -> Secret:
    """A token that carries the key it was signed with; a careless API would believe it (RFC 8725 §3.10)."""
    header = {
        "jwk": mint.other_key.public_jwk(),
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/certificate",
        "x5c": ["MIIB"],
    }
    return sign(mint.claims().write("auth0"), mint.other_key, token_type="JWT", header=header)


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
    "issuer in upper case": _upper,
    "without iss": _claims(iss=None),
    "issuer is a list": lambda mint: mint.saying({"iss": [mint.issuer]}),
    "another audience": _claims(aud="https://elsewhere.example/"),
    "audience is a prefix": lambda mint: mint.saying({"aud": mint.audience[:-1]}),
    "without aud": _claims(aud=None),
    "aud is empty": _claims(aud=[]),
    "aud is a number": _claims(aud=7),
    "audience among numbers": lambda mint: mint.saying({"aud": [mint.audience, 7]}),
    "aud is an object": lambda mint: mint.saying({"aud": {mint.audience: True}}),
    "for the program, as an ID token is": _claims(aud="program", nonce="n"),
    "without sub": _claims(sub=None),
    "sub is a number": _claims(sub=7),
    "without iat": _claims(iat=None),
    "iat is a string": _claims(iat="0"),
    "nbf is a string": _claims(nbf="0"),
    "exp is negative": _claims(exp=-1),
    "permissions is a string": _claims(permissions="read:orders"),
    "expired by a minute": lambda mint: mint.of(replace(mint.claims(), expires_at=mint.now - timedelta(minutes=1))),
    "scope is a list": _claims(scope=["read:orders"]),
    "bound to a key": _claims(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
    "bound to a certificate": _claims(cnf={"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}),
    "bound to what nobody knows": _claims(cnf={"x": "y"}),
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
    "typ of a client assertion": lambda mint: mint.of(mint.claims(), token_type="client-authentication+jwt"),
    "typ at+jwt without client_id": lambda mint: _at_jwt(mint, client_id=None),
    "typ at+jwt without jti": lambda mint: _at_jwt(mint, jti=None),
    "typ at+jwt with a jti that is a number": lambda mint: _at_jwt(mint, jti=7),
    "typ at+jwt without client_id and jti": lambda mint: mint.of(mint.claims(), token_type="at+jwt"),
    "changed payload": lambda mint: _cut(mint, 1, lambda part: part[:-2] + _other(part[-2:])),
    "changed signature": lambda mint: _cut(mint, 2, _other),
    "without signature": lambda mint: _cut(mint, 2, lambda _: b""),
    "padding": lambda mint: _cut(mint, 2, lambda part: part + b"="),
    "critical extension": _headed(crit=["x"], x=1),
    "critical extension that is not there": _headed(crit=["x"]),
    "critical extension of the standard": _headed(crit=["alg"]),
    "crit is empty": _headed(crit=[]),
    "crit is a string": _headed(crit="b64"),
    "crit is null": _headed(crit=None),
    "payload not encoded": _headed(b64=False, crit=["b64"]),
    "payload not encoded, and not critical": _headed(b64=False),
    "alg is not the key's": _headed(alg="PS256"),
    "alg nobody takes": _headed(alg="ES256K"),
    "alg is a list": _headed(alg=["RS256"]),
    "kid is a number": _headed(kid=7),
    "typ is a number": _headed(typ=7),
    "header says a thing twice": _spelt('{%,"alg":"none"}', "{%}"),
    "payload says a thing twice": _spelt("{%}", '{%,"aud":"https://elsewhere.example/"}'),
    "payload is a list": _spelt("{%}", "[]"),
    "payload is no JSON": _spelt("{%}", "{%"),
    "payload is not UTF-8": _spelt("{%}", '{%,"x":"\udcff"}'),
    "payload with NaN": _spelt("{%}", '{%,"x":NaN}'),
    "payload that never ends": _spelt("{%}", '{%,"x":' + "[" * 4000 + "]" * 4000 + "}"),
    "a number too long": _spelt("{%}", '{%,"x":' + "9" * 5000 + "}"),
    "signature as DER": _as_der,
    "encrypted": _encrypted,
    "white space in it": lambda mint: _cut(mint, 1, lambda part: part[:8] + b"\n" + part[8:]),
    "the other base64": lambda mint: _cut(mint, 2, lambda part: b"+/" + part[2:]),
    "one letter more": lambda mint: _cut(mint, 2, lambda part: part + b"A" * (5 - len(part) % 4)),
    "enormous": lambda mint: Secret(mint.good().reveal() + "A" * 20_000),
    "empty parts": lambda _: Secret(".."),
    "two parts": lambda mint: Secret(mint.good().reveal().rpartition(".")[0]),
    "five parts": lambda mint: Secret(mint.good().reveal() + ".x.y"),
    "rubbish": lambda _: Secret("rubbish"),
}
