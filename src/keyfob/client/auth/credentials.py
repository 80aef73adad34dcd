"""What a program proves itself with, and its tokens' key, read when wanted (RFC 6749 §2.3, RFC 8705, RFC 9449)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from keyfob.client.auth.client_auth import OAuthClient
from keyfob.client.model.certificate import Certificate, CertificateFiles
from keyfob.client.model.presets import habits_of
from keyfob.client.model.profile import Profile
from keyfob.client.model.source import Source
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import Misuse
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.auth.dpop import DpopKey
    from keyfob.client.model.credential import Credential

ReadCredential = Callable[[Source | CertificateFiles], "Credential"]


class ProfileCredentials:
    """Of one profile. Secrets and keys are looked for each time: they may be changed while a program runs."""

    def __init__(self, profile: Profile, credential: ReadCredential | None = None) -> None:
        """Know where to look, and who can.

        Args:
            profile: Whose.
            credential: Reads a secret, a key, a platform's token or a certificate from where it lies.
        """
        self.profile = profile
        self._credential = credential
        self._dpop_keys: tuple[Secret, DpopKey, DpopKey] | None = None

    def client(self, stored: StoredLogin) -> OAuthClient:
        """Who asks, at the server that a login is held from. Raises `Misuse` as `credential` does."""
        dpop_keys = self.dpop_keys(stored)
        return OAuthClient(
            stored.client_id,
            stored.issuer,
            self.credential(),
            stored.methods,
            token_endpoint=stored.token_endpoint,
            dpop_key=dpop_keys and dpop_keys[0],
        )

    def dpop_keys(self, stored: StoredLogin) -> tuple[DpopKey, DpopKey] | None:
        """What proves that we hold the login's key: to its issuer, and to APIs."""
        if stored.proof_key is None:
            return None
        if self._dpop_keys is None or self._dpop_keys[0] != stored.proof_key:
            from keyfob.client.auth.dpop import DpopKey  # noqa: PLC0415  signatures cost 100 ms

            ours = DpopKey.read(stored.proof_key, is_required=self.profile.dpop == "require")
            self._dpop_keys = stored.proof_key, ours, DpopKey(ours.key)
        return self._dpop_keys[1:]

    def store_nonce(self, request: Request, response: Response) -> bool:
        """Keep the nonce of an API's answer; whether there was a new one."""
        return self._dpop_keys is not None and self._dpop_keys[2].store_nonce(request, response)

    def credential(self) -> Credential | None:
        """What the program proves itself with; its certificate where it has nothing else.

        Raises:
            Misuse: It is not where the profile says.
        """
        is_asserted = self.profile.identity is not None and self.profile.identity_as == "assertion"
        found = self.read(self.profile.identity if is_asserted else self.profile.credential) or self.certificate()
        if self.profile.assertion_audience == "issuer" or self.profile.credential is None:
            return found
        from keyfob.client.model.credential import PrivateKey  # noqa: PLC0415  only where a key is to sign

        return replace(found, is_legacy=True) if isinstance(found, PrivateKey) else found

    def certificate(self) -> Certificate | None:
        """What connections show at the moment, as far as that is known here. Raises as `read`."""
        found = None if self.profile.certificate is None else self._reader()(self.profile.certificate)
        return found if isinstance(found, Certificate) else None

    def read(self, source: Source | None) -> Credential | None:
        """What lies there.

        Raises:
            Misuse: Nothing does, or nobody can look.
        """
        if source is None:
            return None
        issuer = self.profile.issuer
        return self._reader()(source.for_reader(habits_of(issuer).identity_audience or issuer))

    def _reader(self) -> ReadCredential:
        if self._credential is None:
            raise Misuse("nobody can read this program's secret here")
        return self._credential
