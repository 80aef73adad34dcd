"""Where a program's own secret, key or identity lies; a profile keeps the place, never the thing (RFC 6749 §2.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, Self

from keyfob.errors import Misuse

Kind = Literal["secret", "key", "identity"]
Place = Literal["env", "file", "keyring", "github", "gitlab", "google", "azure", "kubernetes"]
IdentityUse = Literal["exchange", "assertion", "grant"]
AssertionAudience = Literal["issuer", "token-endpoint"]

ASSERTION_AUDIENCES: Final[tuple[AssertionAudience, ...]] = ("issuer", "token-endpoint")
IDENTITY_USES: Final[tuple[IdentityUse, ...]] = ("exchange", "assertion", "grant")
_PLACES: Final[dict[Kind, tuple[Place, ...]]] = {
    "secret": ("env", "file", "keyring"),
    "key": ("env", "file", "keyring"),
    "identity": ("env", "file", "github", "gitlab", "google", "azure", "kubernetes"),
}
# A platform gives out tokens for whoever is named; without a name there is one that is usual.
_NAMELESS: Final[frozenset[Place]] = frozenset({"github", "google", "azure", "kubernetes"})
_FOR_ANYBODY: Final[frozenset[Place]] = frozenset({"github", "google"})


@dataclass(frozen=True, slots=True)
class Source:
    """Where a program's secret, private key or a platform's token about it lies.

    Attributes:
        kind: What lies there; an `identity` is a token by which a platform says what runs on it.
        place: A variable, a file, this system's keyring, or the platform that is asked.
        name: The variable's, or the file's; in the keyring `SERVICE/NAME`; of `github`, `google` and `azure` for whom
            their token shall be, "" for the usual; of `kubernetes` the file, "" for the usual.
    """

    kind: Kind
    place: Place
    name: str

    def write(self) -> str:
        """As one word, for the settings file."""
        return f"{self.kind}:{self.place}:{self.name}"

    @classmethod
    def read(cls, text: str) -> Self:
        """From the settings file.

        Raises:
            Misuse: It is not of the form `secret:env:NAME`.
        """
        said_kind, _, rest = text.partition(":")
        said_place, _, name = rest.partition(":")
        for kind, places in _PLACES.items():
            for place in places:
                if (kind, place) == (said_kind, said_place) and (name or place in _NAMELESS):
                    return cls(kind, place, name)
        if said_kind == "identity":
            raise Misuse(
                "there is no such identity",
                hint="There are: github, gitlab:VARIABLE, google, azure, kubernetes, file:PATH and env:VARIABLE.",
            )
        raise Misuse("where the program's secret lies is not of the form secret:env:NAME or key:file:PATH")

    def for_reader(self, audience: str) -> Source:
        """The same, its token made out to that reader, where the platform asks for whom and nobody has said."""
        return replace(self, name=audience) if self.place in _FOR_ANYBODY and not self.name else self


def read_identity_use(text: str | None) -> IdentityUse:
    """How a platform's token is used; by exchange if nothing is said.

    Raises:
        Misuse: There is no such use.
    """
    for use in IDENTITY_USES:
        if text in {use, None}:
            return use
    raise Misuse("an identity is used by exchange, as assertion or as grant")


def read_assertion_audience(text: str | None) -> AssertionAudience:
    """For whom a program's key signs; the issuer if nothing is said.

    Raises:
        Misuse: There is no such audience.
    """
    for audience in ASSERTION_AUDIENCES:
        if text in {audience, None}:
            return audience
    raise Misuse("an assertion is made out to the issuer or the token-endpoint")
