"""State that processes share: the features that a server refuses, a pending login, the holder of the login lock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import CodeShown
from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import Malformed
from keyfob.protocol.fields import read_json
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret

MEMORY: Final = timedelta(days=30)
UNPUSHED: Final = "unpushed request"  # an authorization request that was not pushed (RFC 9126)
_SCOPE: Final = "scope "
_LARGEST: Final = 10**9


@dataclass(frozen=True, slots=True)
class ServerCapabilities:
    """The features that a server has refused, each with the time of the last refusal. Entries expire after a month.

    A feature is the name of a flow; `scope NAME`, for a scope that keyfob adds by itself; or `UNPUSHED`, for an
    authorization request that was not pushed (RFC 9126).
    """

    refused: Mapping[str, datetime] = field(default_factory=dict[str, datetime])

    @property
    def refused_scope(self) -> Scope:
        return Scope.of(name.removeprefix(_SCOPE) for name in self.refused if name.startswith(_SCOPE))

    def fresh(self, moment: datetime) -> ServerCapabilities:
        """Return the refusals of the last 30 days. The server's settings may have changed since older refusals."""
        return ServerCapabilities({what: when for what, when in self.refused.items() if moment - when < MEMORY})

    def with_refusals(self, refused: Iterable[str], moment: datetime) -> ServerCapabilities:
        return ServerCapabilities({**self.refused, **dict.fromkeys(refused, moment)})

    def without(self, refused: str) -> ServerCapabilities:
        return ServerCapabilities({other: when for other, when in self.refused.items() if other != refused})

    def write(self) -> bytes:
        return json.dumps({what: when.timestamp() for what, when in self.refused.items()}).encode() + b"\n"

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Parse the file of refused features. A damaged file counts as empty."""
        try:
            fields = read_json(raw, "learned")
            return cls({what: when for what in fields.values if (when := fields.optional_time(what)) is not None})
        except Malformed:
            return cls()


def scope_refusals(scope: Scope) -> tuple[str, ...]:
    """Return the feature names under which `ServerCapabilities` records refused scopes."""
    return tuple(f"{_SCOPE}{name}" for name in sorted(scope.names))


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """A pending device login: the state for polling (RFC 8628 §3.2), without the client's secret.

    Attributes:
        profile: The profile's settings. They are included because a pending login has no settings file yet.
        verifier: The PKCE code verifier; None if the server does not support PKCE for the device flow.
        interval: The server's polling interval. keyfob waits a little longer between polls.
        deadline: The time at which the codes expire, on both clocks.
        shown: The user code and address that the user was shown.
        assurance: The requirements on the user's authentication.
    """

    profile: Profile
    token_endpoint: str
    device_code: Secret
    verifier: Secret | None
    interval: timedelta
    deadline: Moment
    shown: CodeShown
    assurance: Assurance = ANY_LOGIN

    def write(self) -> Secret:
        """Serialize for a private file. The monotonic deadline is left out: it has no meaning in another process."""
        members = {
            "profile": self.profile.write().decode(),
            "token_endpoint": self.token_endpoint,
            "device_code": self.device_code.reveal(),
            "verifier": None if self.verifier is None else self.verifier.reveal(),
            "interval": self.interval.total_seconds(),
            "deadline": self.deadline.wall.timestamp(),
            "user_code": self.shown.user_code,
            "verification_uri": self.shown.verification_uri,
            "verification_uri_complete": self.shown.verification_uri_complete,
            **self.assurance.write(),
        }
        return Secret(json.dumps(members))

    @classmethod
    def read(cls, name: str, kept: Secret, moment: Moment) -> Self:
        """Parse the file of a pending login, which another process may have written.

        Args:
            name: The profile's name.
            kept: The file's content.
            moment: The present time, from which the monotonic deadline is computed.

        Raises:
            Malformed: The file is damaged.
            Misuse: The profile's settings in the file are not valid.
        """
        fields = read_json(kept.reveal(), "pending login")
        ends = fields.time("deadline")
        left = ends - moment.wall
        verifier = fields.optional_text("verifier")
        shown = CodeShown(
            fields.text("user_code"),
            fields.url("verification_uri"),
            fields.optional_url("verification_uri_complete"),
            max(left, timedelta()),
            ends,
        )
        return cls(
            Profile.read(name, fields.text("profile").encode()),
            fields.url("token_endpoint"),
            Secret(fields.text("device_code")),
            None if verifier is None else Secret(verifier),
            fields.seconds("interval"),
            Moment(ends, moment.steady + left),
            shown,
            Assurance.read(fields),
        )


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The process that holds a login lock, or held it last. Other processes wait for its login. Contains no secret.

    Attributes:
        what: The requested login as JSON: issuer, client, API, scopes, endpoints and DPoP setting.
        how: The requirements on the user's authentication, as JSON.
        pid: The process id; None if unknown.
        kept: The `generation` of the resulting stored login; None until the login is finished.
    """

    what: str
    how: str = "{}"
    pid: int | None = None
    kept: int | None = None

    @classmethod
    def of(cls, profile: Profile, assurance: Assurance) -> Self:
        """Return a lock holder whose login is about to start. `pid` and `kept` are None."""
        what = {
            "issuer": profile.issuer,
            "client_id": profile.client_id,
            "audience": profile.audience,
            "is_resource": profile.is_resource,
            "scope": sorted((profile.scope | profile.added_scope).names),
            "endpoints": dict(sorted(profile.endpoints.items())),
            "dpop": profile.dpop,
        }
        how = {**assurance.write(), "prompt": list(assurance.prompt)} if assurance else {}
        return cls(json.dumps(what), json.dumps(how))

    def produced(self, stored: StoredLogin, wanted: LockHolder, *, ignores_assurance: bool) -> bool:
        """Return whether this holder's process obtained the stored login, and the login satisfies a waiting process.

        Args:
            stored: The stored login, which may have been refreshed in the meantime.
            wanted: The login that the waiting process requests.
            ignores_assurance: Whether the two requests may differ in their requirements on authentication.
        """
        is_wanted = self.what == wanted.what and (ignores_assurance or self.how == wanted.how)
        return is_wanted and self.kept is not None and stored.generation >= self.kept

    def write(self) -> bytes:
        return json.dumps({"what": self.what, "how": self.how, "pid": self.pid, "kept": self.kept}).encode()

    @classmethod
    def read(cls, raw: bytes) -> Self | None:
        """Parse the file that describes a lock's holder; return None if the file is damaged."""
        try:
            fields = read_json(raw, "turn")
            what, how = fields.text("what"), fields.text("how")
        except Malformed:
            return None
        return cls(what, how, _count(fields.values.get("pid")), _count(fields.values.get("kept")))


def _count(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found < _LARGEST else None
