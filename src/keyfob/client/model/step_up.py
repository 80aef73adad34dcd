"""Step-up: an API requires more scope, or a stronger or newer authentication (RFC 6750 §3.1, RFC 9470 §3)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.profile import Profile
from keyfob.errors import Malformed
from keyfob.protocol.challenge import Challenge
from keyfob.protocol.http import Response
from keyfob.protocol.scope import Scope

INSUFFICIENT_SCOPE: Final = "insufficient_scope"
INSUFFICIENT_USER_AUTHENTICATION: Final = "insufficient_user_authentication"
_SCHEMES: Final = frozenset({"bearer", "dpop"})
_SECONDS: Final = re.compile(r"[0-9]{1,8}\Z")
_WORD: Final = re.compile(r"[!#-\[\]-~]{1,200}\Z")


@dataclass(frozen=True, slots=True)
class StepUp:
    """The scope and authentication that an API requires of a new login.

    Attributes:
        scope: The whole scope that the API requires, including scopes that the login has already.
    """

    scope: Scope = Scope()
    assurance: Assurance = ANY_LOGIN

    @classmethod
    def read(cls, response: Response) -> Self | None:
        """Parse an API's response; return None if a new login would not help."""
        challenge = challenge_of(response)
        if challenge.get("error") not in {INSUFFICIENT_SCOPE, INSUFFICIENT_USER_AUTHENTICATION}:
            return None
        try:
            scope = Scope.read(challenge.get("scope", ""))
        except Malformed:
            scope = Scope()
        assurance = ANY_LOGIN
        if challenge["error"] == INSUFFICIENT_USER_AUTHENTICATION:
            words = tuple(word for word in challenge.get("acr_values", "").split() if _WORD.match(word))
            age = challenge.get("max_age", "")
            assurance = Assurance(words, timedelta(seconds=int(age)) if _SECONDS.match(age) else None)
        return cls(scope, assurance) if scope or assurance else None

    def command(self, profile: Profile, stored: Scope) -> str:
        """Return the command line for the new login; "" if the program's login command is unknown."""
        words: list[str] = []
        if self.scope - stored:
            words += ["--scope", shlex.quote((stored | self.scope).write())]
        if self.assurance.acr_values:
            words += ["--acr", shlex.quote(" ".join(self.assurance.acr_values))]
        if self.assurance.max_age is not None:
            words += ["--max-age", f"{int(self.assurance.max_age.total_seconds())}s"]
        return profile.login_line(" ".join(words))


def challenge_of(response: Response) -> Mapping[str, str]:
    """Return the parameters of a response's Bearer or DPoP challenge; {} if it has none.

    If there are several challenges, return the first one with `error`, or else the first one.
    """
    about_tokens = [
        challenge.parameters
        for challenge in Challenge.read_all(response.header_values("www-authenticate"))
        if challenge.scheme.lower() in _SCHEMES
    ]
    return next((one for one in about_tokens if "error" in one), about_tokens[0] if about_tokens else {})
