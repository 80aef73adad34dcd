"""Access tokens with one flaw each. An API under test must refuse every one of these tokens."""

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
class TokenMaker:
    """Makes valid access tokens, as an issuer does, and flawed access tokens.

    Attributes:
        key: The signing key of the issuer.
        other_key: A key that the issuer has not published.
        now: The time of issue; aware, UTC.
    """

    issuer: str
    audience: str
    key: SigningKey
    other_key: SigningKey
    now: datetime
    scope: Scope = Scope()

    def claims(self) -> AccessClaims:
        """Return claims without a flaw, valid for an hour."""
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
        """Return a token that must be accepted (Auth0 profile)."""
        return self.of(self.claims())

    def of(self, claims: AccessClaims, *, key: SigningKey | None = None, token_type: str = "JWT") -> Secret:
        """Return a token with these claims, signed with `key`. By default, sign with the issuer's key."""
        return sign(claims.write("auth0"), key or self.key, token_type=token_type)

    def saying(self, changed: Mapping[str, object]) -> Secret:
        """Return a token with some claims of the JSON payload replaced. A value of None removes the claim."""
        members = {**self.claims().write("auth0"), **changed}
        return sign({name: value for name, value in members.items() if value is not None}, self.key, token_type="JWT")


def _with_other_first_byte(part: bytes) -> bytes:
    return (b"B" if part[:1] == b"A" else b"A") + part[1:]


def _with_header(maker: TokenMaker, header: Mapping[str, object], secret: bytes | None) -> Secret:
    payload = maker.good().reveal().split(".")[1]
    signing_input = _encode(json.dumps(header).encode()) + b"." + payload.encode()
    signature = b"" if secret is None else _encode(hmac.digest(secret, signing_input, hashlib.sha256))
    return Secret((signing_input + b"." + signature).decode())


def _encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _with_part(maker: TokenMaker, index: int, change: Callable[[bytes], bytes]) -> Secret:
    parts = maker.good().reveal().encode().split(b".")
    parts[index] = change(parts[index])
    return Secret(b".".join(parts).decode())


def _with_claims(**changed: object) -> Callable[[TokenMaker], Secret]:
    return lambda maker: maker.saying(changed)


def _with_parameters(**header: object) -> Callable[[TokenMaker], Secret]:
    """Return a function that makes a token with additional header parameters and a valid signature."""
    return lambda maker: sign(
        maker.claims().write("auth0"), maker.key, token_type="JWT", header={"kid": maker.key.key_id, **header}
    )


def _literal(header: str, payload: str) -> Callable[[TokenMaker], Secret]:
    """Return a function that signs a header and a payload that are given as text, and so can be malformed JSON.

    In both texts, `%` is replaced by the usual members. Nothing else is changed before signing.
    """

    def make(maker: TokenMaker) -> Secret:
        usual_header = json.dumps({"alg": maker.key.algorithm, "typ": "JWT", "kid": maker.key.key_id})
        usual_payload = json.dumps(maker.claims().write("auth0"))
        parts = (header.replace("%", usual_header[1:-1]), payload.replace("%", usual_payload[1:-1]))
        return sign_bytes(b".".join(_encode(part.encode("utf-8", "surrogateescape")) for part in parts), maker.key)

    return make


def _issuer_in_upper_case(maker: TokenMaker) -> Secret:
    scheme, _, rest = maker.issuer.partition("://")
    return maker.saying({"iss": f"{scheme.upper()}://{rest}"})


def _at_jwt(maker: TokenMaker, **changed: object) -> Secret:
    claims = {**replace(maker.claims(), token_id="one").write("rfc9068"), **changed}
    return sign({name: value for name, value in claims.items() if value is not None}, maker.key, token_type="at+jwt")


def _signature_as_der(maker: TokenMaker) -> Secret:
    """Return a token with an ES256 signature in DER; RFC 7518 §3.4 requires the raw form."""
    signed, _, _ = maker.good().reveal().rpartition(".")
    return Secret(f"{signed}.{_encode(b'0F' + bytes(70)).decode()}")


def _encrypted(_: TokenMaker) -> Secret:
    header = json.dumps({"alg": "dir", "enc": "A256GCM", "zip": "DEF", "cty": "JWT"}).encode()
    return Secret(b".".join(_encode(part) for part in (header, b"", bytes(12), bytes(64), bytes(16))).decode())


def _with_public_key_as_secret(maker: TokenMaker) -> Secret:
    public = json.dumps(maker.key.public_jwk()).encode()
    return _with_header(maker, {"alg": "HS256", "typ": "JWT", "kid": maker.key.key_id}, public)


def sign_with_own_key(maker: TokenMaker) -> Secret:
    """Return a token whose header contains the key to verify it. An API must not use such a key (RFC 8725 §3.10)."""
    header = {
        "jwk": maker.other_key.public_jwk(),
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/certificate",
        "x5c": ["MIIB"],
    }
    return sign(maker.claims().write("auth0"), maker.other_key, token_type="JWT", header=header)


FLAWS: Final[dict[str, Callable[[TokenMaker], Secret]]] = {
    "expired": lambda maker: maker.of(replace(maker.claims(), expires_at=maker.now - timedelta(hours=1))),
    "without exp": _with_claims(exp=None),
    "exp is a string": _with_claims(exp="4102444800"),
    "exp is true": _with_claims(exp=True),
    "exp is enormous": _with_claims(exp=1e300),
    "not valid yet": lambda maker: maker.saying({"nbf": int((maker.now + timedelta(hours=1)).timestamp())}),
    "issued in the future": lambda maker: maker.of(replace(maker.claims(), issued_at=maker.now + timedelta(hours=1))),
    "another issuer": _with_claims(iss="https://elsewhere.example/"),
    "issuer without its slash": lambda maker: maker.saying({"iss": maker.issuer.removesuffix("/")}),
    "issuer in upper case": _issuer_in_upper_case,
    "without iss": _with_claims(iss=None),
    "issuer is a list": lambda maker: maker.saying({"iss": [maker.issuer]}),
    "another audience": _with_claims(aud="https://elsewhere.example/"),
    "audience is a prefix": lambda maker: maker.saying({"aud": maker.audience[:-1]}),
    "without aud": _with_claims(aud=None),
    "aud is empty": _with_claims(aud=[]),
    "aud is a number": _with_claims(aud=7),
    "audience among numbers": lambda maker: maker.saying({"aud": [maker.audience, 7]}),
    "aud is an object": lambda maker: maker.saying({"aud": {maker.audience: True}}),
    "for the client, like an ID token": _with_claims(aud="program", nonce="n"),
    "without sub": _with_claims(sub=None),
    "sub is a number": _with_claims(sub=7),
    "without iat": _with_claims(iat=None),
    "iat is a string": _with_claims(iat="0"),
    "nbf is a string": _with_claims(nbf="0"),
    "exp is negative": _with_claims(exp=-1),
    "permissions is a string": _with_claims(permissions="read:orders"),
    "expired by a minute": lambda maker: maker.of(replace(maker.claims(), expires_at=maker.now - timedelta(minutes=1))),
    "scope is a list": _with_claims(scope=["read:orders"]),
    "bound to a key": _with_claims(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
    "bound to a certificate": _with_claims(cnf={"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}),
    "bound by an unknown method": _with_claims(cnf={"x": "y"}),
    "signed by another key": lambda maker: maker.of(maker.claims(), key=maker.other_key),
    "signed by another key under the right kid": lambda maker: maker.of(
        maker.claims(), key=replace(maker.other_key, key_id=maker.key.key_id)
    ),
    "alg none": lambda maker: _with_header(maker, {"alg": "none", "typ": "JWT"}, None),
    "alg NoNe": lambda maker: _with_header(maker, {"alg": "NoNe", "typ": "JWT"}, None),
    "HS256 with the public key": _with_public_key_as_secret,
    "carries its own key": sign_with_own_key,
    "typ of an ID token proof": lambda maker: maker.of(maker.claims(), token_type="dpop+jwt"),
    "typ of a logout token": lambda maker: maker.of(maker.claims(), token_type="logout+jwt"),
    "typ of a client assertion": lambda maker: maker.of(maker.claims(), token_type="client-authentication+jwt"),
    "typ at+jwt without client_id": lambda maker: _at_jwt(maker, client_id=None),
    "typ at+jwt without jti": lambda maker: _at_jwt(maker, jti=None),
    "typ at+jwt with a jti that is a number": lambda maker: _at_jwt(maker, jti=7),
    "typ at+jwt without client_id and jti": lambda maker: maker.of(maker.claims(), token_type="at+jwt"),
    "changed payload": lambda maker: _with_part(maker, 1, lambda part: part[:-2] + _with_other_first_byte(part[-2:])),
    "changed signature": lambda maker: _with_part(maker, 2, _with_other_first_byte),
    "without signature": lambda maker: _with_part(maker, 2, lambda _: b""),
    "padding": lambda maker: _with_part(maker, 2, lambda part: part + b"="),
    "critical extension": _with_parameters(crit=["x"], x=1),
    "critical extension that is absent": _with_parameters(crit=["x"]),
    "critical parameter of the standard": _with_parameters(crit=["alg"]),
    "crit is empty": _with_parameters(crit=[]),
    "crit is a string": _with_parameters(crit="b64"),
    "crit is null": _with_parameters(crit=None),
    "payload not encoded": _with_parameters(b64=False, crit=["b64"]),
    "payload not encoded, and not critical": _with_parameters(b64=False),
    "alg is not the key's": _with_parameters(alg="PS256"),
    "alg that is not supported": _with_parameters(alg="ES256K"),
    "alg is a list": _with_parameters(alg=["RS256"]),
    "kid is a number": _with_parameters(kid=7),
    "typ is a number": _with_parameters(typ=7),
    "duplicate member in the header": _literal('{%,"alg":"none"}', "{%}"),
    "duplicate member in the payload": _literal("{%}", '{%,"aud":"https://elsewhere.example/"}'),
    "payload is a list": _literal("{%}", "[]"),
    "payload is no JSON": _literal("{%}", "{%"),
    "payload is not UTF-8": _literal("{%}", '{%,"x":"\udcff"}'),
    "payload with NaN": _literal("{%}", '{%,"x":NaN}'),
    "payload nested too deeply": _literal("{%}", '{%,"x":' + "[" * 4000 + "]" * 4000 + "}"),
    "a number too long": _literal("{%}", '{%,"x":' + "9" * 5000 + "}"),
    "signature as DER": _signature_as_der,
    "encrypted": _encrypted,
    "white space in it": lambda maker: _with_part(maker, 1, lambda part: part[:8] + b"\n" + part[8:]),
    "the other base64": lambda maker: _with_part(maker, 2, lambda part: b"+/" + part[2:]),
    "one character more": lambda maker: _with_part(maker, 2, lambda part: part + b"A" * (5 - len(part) % 4)),
    "enormous": lambda maker: Secret(maker.good().reveal() + "A" * 20_000),
    "empty parts": lambda _: Secret(".."),
    "two parts": lambda maker: Secret(maker.good().reveal().rpartition(".")[0]),
    "five parts": lambda maker: Secret(maker.good().reveal() + ".x.y"),
    "rubbish": lambda _: Secret("rubbish"),
}
