"""A pending device login, stored so that another process can complete it (RFC 8628 §3.2)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import CodeShown
from keyfob.client.model.profile import Profile
from keyfob.protocol.fields import read_json
from keyfob.protocol.secret import Secret


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """The state for polling the token endpoint. The client's own secret is not part of it.

    Attributes:
        profile: The login's settings, since an incomplete login has no settings file yet.
        verifier: The PKCE code verifier, if the server supports one here.
        interval: The server's polling interval, without keyfob's margin.
        deadline: The expiry of the codes, on both clocks.
        assurance: The requirements on authentication.
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
        """Serialize it for a private file. The monotonic clock is left out: it has no meaning in another process."""
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
        """Parse it in another process.

        Raises:
            Malformed: It is damaged.
            Misuse: Its settings are not valid.
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
