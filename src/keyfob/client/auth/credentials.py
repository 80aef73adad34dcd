"""The client credential, certificate and DPoP key of a profile (RFC 6749 §2.3, RFC 8705, RFC 9449)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from keyfob.client.model.credential import Certificate, CertificateFiles, Credential, PrivateKey
from keyfob.client.model.presets import habits_of
from keyfob.client.model.profile import Profile
from keyfob.client.model.source import Source
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import Misuse
from keyfob.lazy import LazyModule
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.auth import client_auth
    from keyfob.client.auth.dpop import DpopKey
    from keyfob.protocol.http import Request, Response
else:  # 15 ms, and to return a valid stored token needs no client authentication
    client_auth = LazyModule("keyfob.client.auth.client_auth")

ReadCredential = Callable[[Source | CertificateFiles], Credential]


class ProfileCredentials:
    """The credentials of one profile. Each use reads the secret or key again, because its file may have changed."""

    def __init__(self, profile: Profile, credential: ReadCredential | None = None) -> None:
        """Store the profile; nothing is read yet.

        Args:
            credential: The function that reads a secret, key, platform token or certificate from its source. With
                None, every read raises `Misuse`.
        """
        self.profile = profile
        self._credential = credential
        self._dpop_keys: tuple[Secret, DpopKey, DpopKey] | None = None

    def client(self, stored: StoredLogin) -> client_auth.OAuthClient:
        """Return the client for the server that issued a stored login. Raises the errors of `credential`."""
        dpop_keys = self.dpop_keys(stored)
        return client_auth.OAuthClient(
            stored.client_id,
            stored.issuer,
            self.credential(),
            stored.methods,
            token_endpoint=stored.token_endpoint,
            dpop_key=dpop_keys and dpop_keys[0],
        )

    def dpop_keys(self, stored: StoredLogin) -> tuple[DpopKey, DpopKey] | None:
        """Return the login's DPoP key in two objects, or None if the login has no key.

        The first object is for the authorization server, the second for APIs, so that their nonces are separate.
        """
        if stored.proof_key is None:
            return None
        if self._dpop_keys is None or self._dpop_keys[0] != stored.proof_key:
            from keyfob.client.auth.dpop import DpopKey  # noqa: PLC0415  cryptography is slow to import, and few logins use DPoP

            key = DpopKey.read(stored.proof_key, is_required=self.profile.dpop == "require")
            self._dpop_keys = stored.proof_key, key, DpopKey(key.key)
        return self._dpop_keys[1:]

    def store_nonce(self, request: Request, response: Response) -> bool:
        """Store the DPoP nonce from an API's response, and return whether the nonce is new."""
        return self._dpop_keys is not None and self._dpop_keys[2].store_nonce(request, response)

    def credential(self) -> Credential | None:
        """Return the profile's secret, key or workload identity assertion; if it has none of them, its certificate.

        Return None if the profile has no credential.

        Raises:
            Misuse: The location that the profile names contains no credential.
        """
        is_asserted = self.profile.identity is not None and self.profile.identity_as == "assertion"
        source = self.profile.identity if is_asserted else self.profile.credential
        credential = self.read(source) or self.certificate()
        if self.profile.assertion_audience == "issuer" or self.profile.credential is None:
            return credential
        return replace(credential, is_legacy=True) if isinstance(credential, PrivateKey) else credential

    def certificate(self) -> Certificate | None:
        """Return the client certificate for new TLS connections; None if the profile has none.

        Raises the errors of `read`.
        """
        found = None if self.profile.certificate is None else self._reader()(self.profile.certificate)
        return found if isinstance(found, Certificate) else None

    def read(self, source: Source | None) -> Credential | None:
        """Return the credential that a source contains; None without a source.

        Raises:
            Misuse: The source contains no credential, or the constructor got no function that reads it.
        """
        if source is None:
            return None
        issuer = self.profile.issuer
        return self._reader()(source.for_reader(habits_of(issuer).identity_audience or issuer))

    def _reader(self) -> ReadCredential:
        if self._credential is None:
            raise Misuse("the client secret cannot be read here")
        return self._credential
