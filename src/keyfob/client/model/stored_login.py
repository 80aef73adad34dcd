"""A stored login: its tokens and their properties, as versioned JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol, Self

from keyfob.client.model.credential import bound_to
from keyfob.client.model.presets import habits_of
from keyfob.client.model.profile import Profile
from keyfob.errors import Malformed
from keyfob.protocol.client_authentication import AUTH_METHODS, TLS_METHODS, AuthMethod
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:  # 6 ms, and to return a valid stored token needs none of these modules
    from keyfob.protocol.claims import IdClaims
    from keyfob.protocol.metadata import ServerMetadata
    from keyfob.protocol.tokens import TokenAnswer

VERSION: Final = 2
# A token is refreshed this long before its expiry, so that it does not expire during a request.
DEFAULT_MIN_TTL: Final = timedelta(seconds=60)
_LARGEST_SKEW: Final = 100 * 366 * 24 * 3600  # a machine without a clock starts in 1970
_READABLE: Final = (1, VERSION)  # version 1 had neither generation nor skew


class TokenClient(Protocol):
    """The properties of a client that are stored with its login."""

    @property
    def methods(self) -> tuple[AuthMethod, ...]:
        """The client authentication methods."""
        ...

    @property
    def proof_key(self) -> Secret | None:
        """The DPoP key, in PEM; None without DPoP."""
        ...


@dataclass(frozen=True, slots=True)
class StoredLogin:
    """One login, as the vault stores it.

    Attributes:
        expires_at: The access token's expiry; None if the server sent none.
        subject: The ID token's `sub`; None without an ID token.
        person: A display name of the user; no decision depends on it.
        methods: The client authentication methods at this server.
        generation: How often this vault entry was written. Of two copies, the one with the lower number is outdated.
        skew: The server's time minus this machine's time. All times in the stored login are by the server's clock.
        token_type: Bearer, or DPoP if the access token is bound to `proof_key`.
        proof_key: The DPoP private key in PEM (RFC 9449); None without one. The refresh token may be bound to this key
            even if the access token is not.
        auth_time: The ID token's `auth_time`. The ID tokens of later refreshes must have the same `auth_time`, and the
            same `nonce`.
        refresh_until: The refresh token's expiry; None if the server sent none.
        certificate: The thumbprint of the certificate that the access token is bound to (RFC 8705 §3); None if it is
            bound to none.
        session_id: The ID token's `sid`: the user's session at the server (OpenID Connect Back-Channel Logout §2.1).
        was_refreshed: Whether the access token came from a refresh. The lifetime of such a token shows how long the
            tokens of future refreshes will be valid.
    """

    issuer: str
    client_id: str
    audience: str | None
    token_endpoint: str
    revocation_endpoint: str | None
    access_token: Secret
    expires_at: datetime | None
    scope: Scope
    obtained_at: datetime
    refresh_token: Secret | None = None
    subject: str | None = None
    person: str | None = None
    methods: tuple[AuthMethod, ...] = ("none",)
    generation: int = 0
    skew: timedelta = timedelta()
    token_type: str = "Bearer"
    proof_key: Secret | None = None
    auth_time: datetime | None = None
    nonce: str | None = None
    refresh_until: datetime | None = None
    certificate: str | None = None
    session_id: str | None = None
    was_refreshed: bool = False

    @property
    def is_bound(self) -> bool:
        """Whether the access token is bound to a DPoP key or a certificate."""
        return self.token_type != "Bearer" or self.certificate is not None

    @property
    def renewal_window(self) -> timedelta:
        """How long before expiry the token is renewed: a minute, or a quarter of its lifetime if that is shorter."""
        if self.expires_at is None:
            return DEFAULT_MIN_TTL
        return min(DEFAULT_MIN_TTL, max(timedelta(), self.expires_at - self.obtained_at) / 4)

    def with_certificate(self, shown: str | None) -> StoredLogin:
        """Return the login with the attribute `certificate`.

        It becomes `shown` if the access token is bound to that certificate; otherwise, it becomes None.

        Args:
            shown: The thumbprint of the certificate that was presented to the token endpoint; None for none.
        """
        return replace(self, certificate=None if shown is None else bound_to(self.access_token.reveal(), shown))

    @classmethod
    def of(
        cls,
        answer: TokenAnswer,
        metadata: ServerMetadata,
        profile: Profile,
        client: TokenClient,
        who: IdClaims | None,
        moment: datetime,
    ) -> Self:
        """Create a login from a token response. An omitted `scope` means the requested scope (RFC 6749 §5.1)."""
        return cls(
            issuer=metadata.issuer,
            client_id=profile.client_id,
            audience=profile.audience,
            token_endpoint=metadata.token_endpoint,
            revocation_endpoint=metadata.revocation_endpoint,
            access_token=answer.access_token,
            expires_at=None if answer.expires_in is None else moment + answer.expires_in,
            scope=profile.scope if answer.scope is None else habits_of(metadata.issuer).granted(answer.scope),
            obtained_at=moment,
            refresh_token=answer.refresh_token,
            subject=None if who is None else who.subject,
            person=None if who is None else name_of(who),
            methods=client.methods,
            token_type=answer.token_type,
            proof_key=client.proof_key,
            auth_time=None if who is None else who.auth_time,
            nonce=None if who is None else who.nonce,
            refresh_until=_after(moment, answer.refresh_expires_in),
            session_id=None if who is None else who.session_id,
        )

    def refreshed(self, answer: TokenAnswer, moment: datetime) -> StoredLogin:
        """Return the login with the response's tokens (RFC 6749 §6).

        If the response has no refresh token, the login keeps its present refresh token.
        """
        return replace(
            self,
            access_token=answer.access_token,
            expires_at=None if answer.expires_in is None else moment + answer.expires_in,
            scope=self.scope if answer.scope is None else habits_of(self.issuer).granted(answer.scope),
            obtained_at=moment,
            refresh_token=answer.refresh_token or self.refresh_token,
            generation=self.generation + 1,
            was_refreshed=True,
            token_type=answer.token_type,
            refresh_until=_after(moment, answer.refresh_expires_in)
            or (None if answer.refresh_token else self.refresh_until),
        )

    def write(self) -> bytes:
        members = {
            "version": VERSION,
            "issuer": self.issuer,
            "client_id": self.client_id,
            "audience": self.audience,
            "token_endpoint": self.token_endpoint,
            "revocation_endpoint": self.revocation_endpoint,
            "access_token": self.access_token.reveal(),
            "expires_at": None if self.expires_at is None else self.expires_at.timestamp(),
            "scope": self.scope.write(),
            "obtained_at": self.obtained_at.timestamp(),
            "refresh_token": self.refresh_token.reveal() if self.refresh_token else None,
            "subject": self.subject,
            "person": self.person,
            "methods": list(self.methods),
            "generation": self.generation,
            "skew": self.skew.total_seconds(),
            "token_type": self.token_type,
            "proof_key": self.proof_key.reveal() if self.proof_key else None,
            "auth_time": None if self.auth_time is None else self.auth_time.timestamp(),
            "nonce": self.nonce,
            "refresh_until": None if self.refresh_until is None else self.refresh_until.timestamp(),
            "certificate": self.certificate,
            "session_id": self.session_id,
            "was_refreshed": self.was_refreshed,
        }
        return json.dumps(members, indent=1).encode()

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Parse a vault entry.

        Raises:
            Malformed: The file is damaged, or was written by another version.
        """
        fields = read_json(raw, "vault")
        fields.check_version(_READABLE)
        refresh, proof_key = fields.optional_text("refresh_token"), fields.optional_text("proof_key")
        return cls(
            issuer=fields.text("issuer"),
            client_id=fields.text("client_id"),
            audience=fields.optional_text("audience"),
            token_endpoint=fields.url("token_endpoint"),
            revocation_endpoint=fields.optional_url("revocation_endpoint"),
            access_token=Secret(fields.text("access_token")),
            expires_at=fields.optional_time("expires_at"),
            scope=Scope.optional(fields) or Scope(),
            obtained_at=fields.time("obtained_at"),
            refresh_token=None if refresh is None else Secret(refresh),
            subject=fields.optional_text("subject"),
            person=fields.optional_text("person"),
            methods=tuple(name for name in (*AUTH_METHODS, *TLS_METHODS) if name in fields.texts("methods"))
            or ("none",),
            generation=int(_number(fields, "generation", 10**9)),
            skew=timedelta(seconds=_number(fields, "skew", _LARGEST_SKEW)),
            token_type=fields.optional_text("token_type") or "Bearer",
            proof_key=None if proof_key is None else Secret(proof_key),
            auth_time=fields.optional_time("auth_time"),
            nonce=fields.optional_text("nonce"),
            refresh_until=fields.optional_time("refresh_until"),
            certificate=fields.optional_text("certificate"),
            session_id=fields.optional_text("session_id"),
            was_refreshed=fields.values.get("was_refreshed") is True,
        )


def _after(moment: datetime, span: timedelta | None) -> datetime | None:
    return None if span is None else moment + span


def greeting(stored: StoredLogin, *, is_machine: bool = False) -> str:
    """Return the message for a successful login. It names the user only if the login has an ID token."""
    who = stored.person or stored.subject or (stored.client_id if is_machine else None)
    return f"logged in as {who} at {stored.issuer}" if who else f"logged in at {stored.issuer}"


def name_of(who: IdClaims) -> str | None:
    """Return a display name from the ID token: e-mail, name or nickname; None if there is none."""
    claims = dict(who.person)
    return next((found for name in ("email", "name", "nickname") if isinstance(found := claims.get(name), str)), None)


def _number(fields: Fields, name: str, largest: int) -> float:
    """Return the number in a member; 0 if the member is absent.

    Raises:
        Malformed: The member is not a number from `-largest` to `largest`.
    """
    found = fields.values.get(name, 0)
    if isinstance(found, bool) or not isinstance(found, int | float) or not -largest <= found <= largest:
        raise Malformed(f"{fields.what}: {name} is not a number, or out of range", field=name)
    return found
