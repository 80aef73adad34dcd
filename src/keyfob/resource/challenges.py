"""Create the denials of an API, with its challenges (RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from keyfob.protocol.challenge import Challenge
from keyfob.resource.require import Denial, MissingRequirement

Scheme = Literal["Bearer", "DPoP"]
_MISSING: Final = "This API needs an access token."


@dataclass(frozen=True, slots=True)
class ChallengeSettings:
    """The settings from which an API's challenges are written.

    Attributes:
        realm: The `realm` parameter of each challenge.
        metadata_url: The URL of the API's metadata (RFC 9728); None if the API publishes no metadata.
        proof_algorithms: The accepted algorithms of DPoP proofs; () if no proofs are accepted.
        proof_required: Whether only tokens with a DPoP proof are accepted.
        schemes: The accepted authentication schemes, derived from `proof_algorithms` and `proof_required`.
    """

    realm: str = "api"
    metadata_url: str | None = None
    proof_algorithms: tuple[str, ...] = ()
    proof_required: bool = False
    schemes: tuple[Scheme, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Derive the schemes."""
        with_proofs: tuple[Scheme, ...] = ("DPoP",) if self.proof_required else ("Bearer", "DPoP")
        object.__setattr__(self, "schemes", with_proofs if self.proof_algorithms else ("Bearer",))

    def missing(self, scope: str) -> Denial:
        """Deny a request without a token. The challenge has the required scope and no error code (RFC 6750 §3.1)."""
        needed = (("scope", scope),) if scope else ()
        challenges = tuple(self._challenge(scheme, *needed) for scheme in self.schemes)
        return Denial(401, "", _MISSING, challenges)

    def malformed(self, scheme: Scheme) -> Denial:
        """Deny a request whose Authorization header cannot be read."""
        return self._deny(400, "invalid_request", "The Authorization header is malformed.", scheme, alone=True)

    def refuse(self, reason: str, scheme: Scheme) -> Denial:
        """Deny a request with an invalid token (RFC 6750 §3.1)."""
        return self._deny(401, "invalid_token", _sentence(reason), scheme)

    def refuse_proof(self, reason: str) -> Denial:
        """Deny a request whose DPoP proof is invalid (RFC 9449 §7.1)."""
        return self._deny(401, "invalid_dpop_proof", _sentence(reason), "DPoP", alone=True)

    def ask_for_nonce(self, nonce: str) -> Denial:
        """Deny a request whose DPoP proof lacks the nonce, and send the nonce (RFC 9449 §9)."""
        words = "The proof has to hold the nonce that comes with this answer."
        denial = self._deny(401, "use_dpop_nonce", words, "DPoP", alone=True)
        return Denial(denial.status, denial.error, denial.description, denial.challenges, nonce)

    def forbid(self, missing: MissingRequirement, scheme: Scheme) -> Denial:
        """Deny a request whose valid token does not meet a requirement."""
        return self._deny(missing.status, missing.error, missing.description, scheme, *missing.parameters, alone=True)

    def _deny(
        self, status: int, error: str, words: str, scheme: Scheme, *more: tuple[str, str], alone: bool = False
    ) -> Denial:
        first = self._challenge(scheme, ("error", error), ("error_description", words), *more)
        others = () if alone else tuple(self._challenge(other) for other in self.schemes if other != scheme)
        return Denial(status, error, words, (first, *others))

    def _challenge(self, scheme: Scheme, *more: tuple[str, str]) -> Challenge:
        parameters = {"realm": self.realm, **dict(more)}
        if scheme == "DPoP":
            parameters["algs"] = " ".join(self.proof_algorithms)
        if self.metadata_url is not None:
            parameters["resource_metadata"] = self.metadata_url
        return Challenge(scheme, parameters)


def unavailable(description: str) -> Denial:
    """Deny a request, with status 503, because its token cannot be verified at the moment."""
    return Denial(503, "temporarily_unavailable", description, ())


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:] + "."
