"""The location of a client's secret, key or workload identity token. Profiles store the location, not the value."""

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
# These platforms have a default audience or file. In the other places, a source needs a name.
_NAMELESS: Final[frozenset[Place]] = frozenset({"github", "google", "azure", "kubernetes"})
_ANY_AUDIENCE: Final[frozenset[Place]] = frozenset({"github", "google"})


@dataclass(frozen=True, slots=True)
class Source:
    """The location of a client's credential.

    Attributes:
        kind: The credential's kind; `identity` is a workload identity token.
        place: An environment variable, a file, this system's keyring, or a platform.
        name: The variable for `env` and `gitlab`; the path for `file` and `kubernetes`; `SERVICE/NAME` for `keyring`;
            the token's audience for `github`, `google` and `azure`. "" means the platform's default.
    """

    kind: Kind
    place: Place
    name: str

    def write(self) -> str:
        return f"{self.kind}:{self.place}:{self.name}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse the form `KIND:PLACE:NAME`, such as `secret:env:NAME`; raise `Misuse` if it is not valid."""
        said_kind, _, rest = text.partition(":")
        said_place, _, name = rest.partition(":")
        for kind, places in _PLACES.items():
            for place in places:
                if (kind, place) == (said_kind, said_place) and (name or place in _NAMELESS):
                    return cls(kind, place, name)
        if said_kind == "identity":
            raise Misuse(
                "this workload identity is unknown",
                hint="Use one of: github, gitlab:VARIABLE, google, azure, kubernetes, file:PATH, env:VARIABLE.",
            )
        raise Misuse("the location of the client secret does not have the form secret:env:NAME or key:file:PATH")

    def for_reader(self, audience: str) -> Source:
        """Return the source with the audience `audience`, if it is a platform that issues tokens for any audience.

        Return the source unchanged if the platform allows no choice, or if the source already names an audience.
        """
        return replace(self, name=audience) if self.place in _ANY_AUDIENCE and not self.name else self


def read_identity_use(text: str | None) -> IdentityUse:
    """Parse the use of a workload identity token; None means token exchange. Raise `Misuse` for an unknown use."""
    for use in IDENTITY_USES:
        if text in {use, None}:
            return use
    raise Misuse("the use of an identity is one of exchange, assertion and grant")


def read_assertion_audience(text: str | None) -> AssertionAudience:
    """Parse the setting for the audience of client assertions; None means the issuer.

    Raises:
        Misuse: The setting has another value than "issuer" or "token-endpoint".
    """
    for audience in ASSERTION_AUDIENCES:
        if text in {audience, None}:
            return audience
    raise Misuse("the audience of an assertion is either issuer or token-endpoint")
