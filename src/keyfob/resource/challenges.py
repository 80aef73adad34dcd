"""On which terms an API takes tokens, and its challenges in those terms (RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from keyfob.protocol.challenge import Challenge
from keyfob.protocol.http import Request
from keyfob.protocol.secret import Secret
from keyfob.resource.require import Denial, Lack

Scheme = Literal["Bearer", "DPoP"]
_TOKEN68: Final = re.compile(r" *([A-Za-z0-9\-._~+/]+=*) *\Z")
_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
# As everybody writes them, and in lower case: no case counts (RFC 9110 §11.1).
_SCHEMES: Final[dict[str, Scheme]] = {"Bearer": "Bearer", "DPoP": "DPoP", "bearer": "Bearer", "dpop": "DPoP"}
_MISSING: Final = "This API needs an access token."


@dataclass(slots=True)  # not frozen: one is made at every call
class Shown:
    """A token as it was shown. `proof` comes with the scheme DPoP only."""

    token: Secret
    scheme: Scheme = "Bearer"
    proof: Secret | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """How an API presents itself.

    Attributes:
        realm: Named in challenges.
        metadata: Where its metadata lies (RFC 9728); None where it has none.
        proofs: The algorithms of proofs of possession that it takes; () takes none.
        needs_proof: Takes tokens with a proof only.
        schemes: Those that follow from that.
    """

    realm: str = "api"
    metadata: str | None = None
    proofs: tuple[str, ...] = ()
    needs_proof: bool = False
    schemes: tuple[Scheme, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Know the schemes that it takes."""
        both: tuple[Scheme, ...] = ("DPoP",) if self.needs_proof else ("Bearer", "DPoP")
        object.__setattr__(self, "schemes", both if self.proofs else ("Bearer",))

    def read(self, request: Request) -> Shown | Denial | None:
        """What a request shows, or why that will not do; None where it shows nothing.

        A token in the query or in the body is not looked at: RFC 9700 §4.3.2 forbids sending one there.
        """
        headers = [value for name, value in request.headers if name == "authorization"]
        if len(headers) > 1:
            return self._malformed("DPoP" if self.needs_proof else "Bearer")
        header = headers[0] if headers else ""
        word, space, rest = header.partition(" ")
        scheme = _SCHEMES.get(word) or _SCHEMES.get(word.lower())
        if scheme is None and word.lower().startswith("bearer"):
            return self._malformed("Bearer")  # a tab, or nothing, where a space belongs
        if scheme is None or scheme not in self.schemes:
            return None
        token = _token_in(rest) if space else None
        if token is None:
            return self._malformed(scheme)
        if scheme == "Bearer":
            return Shown(Secret(token))
        proofs = request.header_values("dpop")
        if len(proofs) != 1:
            return self.refuse_proof("exactly one proof has to come with the token")
        return Shown(Secret(token), "DPoP", Secret(proofs[0]))

    def missing(self, scope: str) -> Denial:
        """No token was shown: no error is named (RFC 6750 §3.1), but what would be needed is."""
        needed = (("scope", scope),) if scope else ()
        challenges = tuple(self._challenge(scheme, *needed) for scheme in self.schemes)
        return Denial(401, "", _MISSING, challenges)

    def refuse(self, reason: str, scheme: Scheme) -> Denial:
        """A token was shown that must not be accepted (RFC 6750 §3.1)."""
        return self._deny(401, "invalid_token", _sentence(reason), scheme)

    def refuse_proof(self, reason: str) -> Denial:
        """The token may be good; its proof is not (RFC 9449 §7.1)."""
        return self._deny(401, "invalid_dpop_proof", _sentence(reason), "DPoP", alone=True)

    def ask_for_nonce(self, nonce: str) -> Denial:
        """The proof has to hold this (RFC 9449 §9)."""
        words = "The proof has to hold the nonce that comes with this answer."
        denial = self._deny(401, "use_dpop_nonce", words, "DPoP", alone=True)
        return Denial(denial.status, denial.error, denial.description, denial.challenges, nonce)

    def forbid(self, found: Lack, scheme: Scheme) -> Denial:
        """The token is good, and not enough for this."""
        return self._deny(found.status, found.error, found.words, scheme, *found.parameters, alone=True)

    def _malformed(self, scheme: Scheme) -> Denial:
        return self._deny(400, "invalid_request", "The Authorization header is malformed.", scheme, alone=True)

    def _deny(
        self, status: int, error: str, words: str, scheme: Scheme, *more: tuple[str, str], alone: bool = False
    ) -> Denial:
        told = self._challenge(scheme, ("error", error), ("error_description", words), *more)
        others = () if alone else tuple(self._challenge(other) for other in self.schemes if other != scheme)
        return Denial(status, error, words, (told, *others))

    def _challenge(self, scheme: Scheme, *more: tuple[str, str]) -> Challenge:
        parameters = {"realm": self.realm, **dict(more)}
        if scheme == "DPoP":
            parameters["algs"] = " ".join(self.proofs)
        if self.metadata is not None:
            parameters["resource_metadata"] = self.metadata
        return Challenge(scheme, parameters)


def _token_in(rest: str) -> str | None:
    """What follows the scheme and a space, if that is one token (RFC 9110 §11.2)."""
    token = rest.strip(" ")
    # As a rule nothing is left of it; the pattern says the same, and takes three times as long.
    if token and not token.encode("ascii", "replace").translate(None, _LETTERS):
        return token
    found = _TOKEN68.match(rest)
    return None if found is None else found[1]


def closed(what: str) -> Denial:
    """The issuer cannot be asked: nothing passes, and no token is blamed for it."""
    return Denial(503, "temporarily_unavailable", what, ())


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:] + "."
