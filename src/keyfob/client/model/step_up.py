"""What an API wants beyond what a login has: more scope, or a surer or younger login (RFC 6750 §3.1, RFC 9470 §3)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.profile import Profile, command
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
    """What a new login has to bring.

    Attributes:
        scope: What the API asks for; what is held already may be among it.
    """

    scope: Scope = Scope()
    assurance: Assurance = ANY_LOGIN

    @classmethod
    def read(cls, response: Response) -> Self | None:
        """From an API's answer; None where another login would not help, or the API does not say how."""
        told = challenge_of(response)
        if told.get("error") not in {INSUFFICIENT_SCOPE, INSUFFICIENT_USER_AUTHENTICATION}:
            return None
        try:
            scope = Scope.read(told.get("scope", ""))
        except Malformed:
            scope = Scope()
        assurance = ANY_LOGIN
        if told["error"] == INSUFFICIENT_USER_AUTHENTICATION:
            words = tuple(word for word in told.get("acr_values", "").split() if _WORD.match(word))
            age = told.get("max_age", "")
            assurance = Assurance(words, timedelta(seconds=int(age)) if _SECONDS.match(age) else None)
        return cls(scope, assurance) if scope or assurance else None

    def command(self, profile: Profile, stored: Scope) -> str:
        """What a person types to log in so."""
        words = [command("login", profile.name)]
        if self.scope - stored:
            words += ["--scope", shlex.quote(Scope(stored.names | self.scope.names).write())]
        if self.assurance.acr_values:
            words += ["--acr", shlex.quote(" ".join(self.assurance.acr_values))]
        if self.assurance.max_age is not None:
            words += ["--max-age", f"{int(self.assurance.max_age.total_seconds())}s"]
        return " ".join(words)


def challenge_of(response: Response) -> Mapping[str, str]:
    """The challenge about tokens, of an answer that may have others; the one that names an error first."""
    about_tokens = [
        challenge.parameters
        for challenge in Challenge.read_all(response.header_values("www-authenticate"))
        if challenge.scheme.lower() in _SCHEMES
    ]
    return next((told for told in about_tokens if "error" in told), about_tokens[0] if about_tokens else {})
