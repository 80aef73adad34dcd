"""Decide whether a client has authenticated (RFC 6749 §2.3, RFC 7523 §3 and its bis draft §4, RFC 8705 §2)."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.keys import KeySet, PublicKey
from keyfob.jose.shown import has_name, is_issued_by, read_certificate
from keyfob.jose.tokens import Unverified, believe, take_apart
from keyfob.light import light_dataclass
from keyfob.protocol.client_authentication import Credentials
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.secret import Secret
from keyfob.server.decide.throttle import Failures, password_wait
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.registered import Application

LONGEST_ASSERTION: Final = 2048
LONGEST_CLAIM: Final = 64
LONGEST_LIFE: Final = timedelta(minutes=5)
SKEW: Final = timedelta(seconds=10)
# A DPoP proof is signed with the same key and must not be accepted as an assertion (RFC 8725 §3.11).
_TYPES: Final = frozenset({"", "jwt", "client-authentication+jwt"})


@light_dataclass(frozen=True, slots=True)
class Assertion:
    """A valid client assertion. Until `expires_at`, any further assertion with the same `token_id` is refused."""

    token_id: str
    expires_at: datetime


@light_dataclass(frozen=True)
class ClientFacts:
    """The client credentials of a request, and the record of the client.

    Attributes:
        credentials: The credentials; None if they are malformed. `problem` is then the error.
        client_id: The client id of the request. If it comes from the assertion, it is not verified yet.
        application: The record of the client, if it is registered.
        secret_hash: The keyed hash of the presented secret.
        certificate: The client certificate of the connection, in DER; empty if the connection has none.
        authorities: The tenant's certificate authorities, in DER.
        audiences: The audiences that an assertion may have.
        failures: The earlier failures of this client from this network.
        is_new: Whether the assertion has not been used before.
    """

    credentials: Credentials | None
    problem: Malformed | None
    now: datetime
    application: Application | None = None
    secret_hash: bytes = b""
    certificate: bytes = b""
    authorities: tuple[bytes, ...] = ()
    audiences: frozenset[str] = frozenset()
    failures: Failures | None = None
    is_new: bool = True
    client_id: str = ""

    @property
    def wait(self) -> timedelta:
        """The time for which requests with wrong credentials must wait; zero if they need not wait."""
        return password_wait(self.failures, self.now)

    @property
    def has_assertion(self) -> bool:
        """Whether the client authenticates with an assertion, valid or not."""
        return self.credentials is not None and self.credentials.method == "private_key_jwt"

    @cached_property
    def assertion(self) -> Assertion:
        """The validated assertion. Use this only if the client is registered and `has_assertion` is True.

        Raises:
            InvalidToken: The assertion is not valid.
        """
        assert self.application is not None, "an unknown client fails before"  # noqa: S101
        assert self.credentials is not None  # noqa: S101
        assert self.credentials.proof is not None  # noqa: S101
        return verify_assertion(self.credentials.proof, self.application, self.audiences, self.now)

    def header_is_malformed(self) -> bool:
        return self.problem is not None and self.problem.field == "authorization"

    def is_malformed(self) -> bool:
        return self.problem is not None

    def names_no_client(self) -> bool:
        return not self.client_id

    def must_wait(self) -> bool:
        """Return whether the request must wait: its credentials are wrong, and earlier failures require a wait.

        A request with right credentials never waits, however many failures there were. Secrets and keys are too long to
        be guessed, so a wait would protect nothing. But it would harm the client: an attacker in the same network could
        cause failures, and so make the client's own requests wait.
        """
        return self.failures is not None and bool(self.wait) and self.is_unauthenticated()

    def is_a_guess(self) -> bool:
        """Return whether a failure counts as a guess: the client is registered and allows the authentication method."""
        presented, application = self.credentials, self.application
        if presented is None or presented.proof is None or application is None:
            return False
        return presented.method in application.auth_methods

    def is_unauthenticated(self) -> bool:
        presented, application = self.credentials, self.application
        assert presented is not None, "malformed credentials fail an earlier check"  # noqa: S101
        if presented.proof is None:
            if application is None or application.is_public:
                return application is None
            return not is_right_certificate(application, self.certificate, self.authorities)
        # The secret is compared for an unknown client too, so that the check of a known client takes no longer.
        has_secret = is_right_secret(application, self.secret_hash)
        if application is None or presented.method not in application.auth_methods:
            return True
        if not self.has_assertion:
            return not has_secret
        try:
            self.assertion  # noqa: B018  it is verified here
        except InvalidToken:
            return True
        return False

    def is_replayed(self) -> bool:
        return not self.is_new


def claimed_client_id(presented: Credentials) -> str:
    """Return the client id of a request's credentials, or "" if they contain none.

    A client id from an assertion is not verified yet.
    """
    if presented.client_id or presented.method != "private_key_jwt" or presented.proof is None:
        return presented.client_id
    try:
        return read_json(take_apart(presented.proof).payload, "assertion").optional_text("iss") or ""
    except (InvalidToken, Malformed):
        return ""


def audiences_of(config: TenantConfig) -> frozenset[str]:
    """Return the audiences that a client assertion may name."""
    if config.wire == "rfc":
        return frozenset({config.issuer})
    # Auth0's SDKs always write https, even for a tenant on plain http.
    return frozenset({config.issuer, "https://" + config.issuer.partition("://")[2]})


def is_right_secret(application: Application | None, secret_hash: bytes) -> bool:
    """Return whether a secret belongs to the client. The check takes equally long for an unknown client."""
    known = application.secret_hashes if application else ()
    return any([hmac.compare_digest(secret_hash, one) for one in known or (b"nobody has this",)])  # noqa: C419  all


def is_right_certificate(application: Application, certificate: bytes, authorities: tuple[bytes, ...]) -> bool:
    """Return whether a certificate authenticates a client (RFC 8705 §2.1-2.2). TLS has verified the private key.

    A subject name is accepted only in a certificate that an authority has signed directly. Anyone can write any name
    into a self-signed certificate. Another client can do so in a certificate that it signs with its own key.
    """
    methods, name = application.auth_methods, application.certificate_name
    if "self_signed_tls_client_auth" in methods:
        own = [read_certificate(one) for one in application.certificates]
        if any(hmac.compare_digest(certificate, one) for one in own):
            return True
    is_named = "tls_client_auth" in methods and name is not None and has_name(certificate, name)
    return is_named and is_issued_by(certificate, authorities)


def verify_assertion(
    assertion: Secret, application: Application, audiences: frozenset[str], now: datetime
) -> Assertion:
    """Validate a client assertion (private_key_jwt). The assertion must have exactly one audience, from `audiences`.

    Raises:
        InvalidToken: A check failed; the message names it.
    """
    if len(assertion) > LONGEST_ASSERTION:
        raise InvalidToken("the assertion is too long")
    unverified = take_apart(assertion)
    if unverified.type.lower().removeprefix("application/") not in _TYPES:
        raise InvalidToken("what was signed is no assertion")
    claims = _verified_claims(unverified, tuple(PublicKey.read(jwk) for jwk in application.public_keys))
    try:
        issuer, subject, token_id = claims.text("iss"), claims.text("sub"), claims.text("jti")
        expires_at, audience = claims.time("exp"), claims.text_or_texts("aud")
        early = max(claims.optional_time("iat") or now, claims.optional_time("nbf") or now)
    except Malformed as problem:
        raise InvalidToken(problem.message) from None
    if issuer != application.client_id or subject != application.client_id or len(token_id) > LONGEST_CLAIM:
        raise InvalidToken("the assertion is not about this application")
    if len(audience) != 1 or audience[0] not in audiences:
        raise InvalidToken("the assertion is not for this tenant alone")
    if not now < expires_at <= now + LONGEST_LIFE + SKEW or early > now + SKEW:
        raise InvalidToken("the assertion has lapsed, is not valid yet, or lives too long")
    return Assertion(token_id, expires_at)


def _verified_claims(unverified: Unverified, keys: tuple[PublicKey, ...]) -> Fields:
    """Return the claims, verified with one of the client's keys.

    If no registered key has the assertion's `kid`, all keys are tried, since clients choose the `kid` freely.
    """
    named = KeySet(keys).choose(unverified.algorithm, unverified.key_id) if unverified.key_id else None
    for key in (named,) if named else keys:
        if key.fits(unverified.algorithm):
            try:
                return believe(unverified, key)
            except InvalidToken:
                continue
    raise InvalidToken("the assertion was not signed by a key of this application")
