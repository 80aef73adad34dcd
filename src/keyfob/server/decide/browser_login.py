"""The state of a login in a browser: its purpose, its step, and the user whose password was right.

`STEPS` is the table of the allowed steps. docs/checks.md is generated from this table.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypedDict, Unpack, cast, get_args

from keyfob.errors import Malformed, Misuse
from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret
from keyfob.server.records import DeviceLogin

Step = Literal[
    "enter", "compare", "login", "factor", "enrol", "recovery", "consent", "answered", "allowed", "denied", "notice"
]
Goal = Literal["code", "enrolment", "account", "change"]
LIFETIME: Final = timedelta(hours=1)  # Auth0's limit for a login

# The steps that may follow each step, and when.
STEPS: Final[Mapping[Step, Mapping[Step, str]]] = {
    "enter": {
        "enter": "The user code is wrong, or no code is accepted because of too many wrong codes.",
        "compare": "The user code is right.",
        "login": "Because of too many wrong codes, the user must log in before entering a code.",
    },
    "compare": {
        "login": "The user confirms the code and must log in.",
        "allowed": "The user confirms the code, is logged in, and may log in to the client.",
        "denied": "The user declines the device login.",
    },
    "login": {
        "login": "The password or the passkey is wrong, or there were too many wrong passwords.",
        "factor": "The password is right, and a second factor is required.",
        "enrol": "The password is right, but the user has no second factor, which is required.",
        "consent": "The password or the passkey is right, and the authorization request needs consent.",
        "answered": "The password or the passkey is right, or the user declines the authorization request.",
        "allowed": "The password or the passkey is right: the device login is approved.",
        "denied": "The user declines the device login.",
        "notice": "The password or the passkey is right, and the login is for the account page.",
    },
    "factor": {
        "factor": "The user chooses a factor, the factor is wrong, or the tenant sent a code by e-mail.",
        "enrol": "The factor is right, and the login is for setting up an authenticator.",
        "recovery": "The recovery code is right, and the user gets a new recovery code.",
        "consent": "The code is right, and the authorization request needs consent.",
        "answered": "The code is right, or the user declines the authorization request.",
        "allowed": "The code is right: the device login is approved.",
        "denied": "The user declines the device login.",
        "notice": "The code is right, and the login is for the account page.",
    },
    "enrol": {
        "enrol": "The page shows the authenticator's secret, or the code is wrong.",
        "recovery": "The code is right: the second factor is active.",
        "consent": "The code is right, and the authorization request needs consent.",
        "answered": "The code is right, or the user declines the authorization request.",
        "allowed": "The code is right: the device login is approved.",
        "denied": "The user declines the device login.",
        "notice": "The code is right, and the login is for the account page.",
    },
    "recovery": {
        "consent": "The user has noted the recovery code, and the authorization request needs consent.",
        "answered": "The user has noted the recovery code, and the authorization request needs no consent.",
        "allowed": "The user has noted the recovery code: the device login is approved.",
        "notice": "The user has noted the recovery code, and the login is for the account page.",
    },
    "consent": {
        "login": "The user chooses another account, or must log in again.",
        "answered": "The user consents to the authorization request or declines it.",
    },
    "notice": {},
    "answered": {},
    "allowed": {},
    "denied": {},
}
AFTER_PASSWORD: Final = frozenset[Step]({"factor", "enrol", "recovery"})
PAGE_OF: Final[Mapping[Step, str]] = {
    "enter": "/activate", "compare": "/activate", "login": "/u/login", "factor": "/u/mfa", "enrol": "/u/mfa",
    "recovery": "/u/mfa", "consent": "/u/consent", "answered": "/u/answer", "allowed": "/activate/done",
    "denied": "/activate/done", "notice": "/account",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserLogin:
    """The state of a login in a browser. The address and the forms of each page contain the encrypted state.

    A login serves a device login, an authorization request, or no client. Without a client, its `goal` is to set up a
    second factor, to enter a code, to see the account, or to change the account's credentials.

    Attributes:
        began_at: The time at which this browser login began. If the user's session is newer, the user logged in for
            this request.
        device_hash: The hash of the device code.
        request: The parameters of the authorization request.
        goal: The purpose of a login without a client.
        user_code: The code that was entered.
        session_hash: The browser session that the login belongs to; None until the user has decided about the code or
            logged in.
        user_id: The user whose password was right.
        factor_hash: The key of the `MfaLogin` record. The record states whether the user has proven the second factor.
            A factor that the user is setting up belongs to this record.
        recovery_code: The code to show to the user.
        answer: The parameters of an authorization response by `form_post`.
        email: The e-mail address that was entered.
        name: The name that was entered.
        way: The second factor that the user has chosen; "" if the user has not chosen.
        problem: The key of the error text to show.
        count: A number in the error text.
        status: The HTTP status of the page.
        told: The key of a notice to show, which is not an error.
        typed_by: The browser session in which the code was typed; None if it came from a URL. If an attacker types a
            code and sends a user the link of the next page, the user's session is another one. So the code does not
            count as typed by the user.
        number: The number that the user must type into the client.
        end_link: The encrypted link that ends the approved login.
    """

    step: Step
    began_at: datetime
    expires_at: datetime
    device_hash: bytes | None = None
    request: Mapping[str, str] | None = None
    goal: Goal = "code"
    user_code: str = ""
    session_hash: bytes | None = None
    user_id: str = ""
    factor_hash: bytes | None = None
    recovery_code: Secret | None = None
    answer: Mapping[str, str] | None = field(default=None, repr=False)
    email: str = ""
    name: str = ""
    way: str = ""
    problem: str = ""
    count: int = 0
    status: int = 200
    told: str = ""
    typed_by: bytes | None = None
    number: str = ""
    end_link: str = ""

    @property
    def is_enrolment(self) -> bool:
        """Whether the purpose of the login is to set up a second factor."""
        return self.goal == "enrolment"

    @property
    def is_for_the_user(self) -> bool:
        """Whether the login has no client."""
        return self.device_hash is None and self.request is None

    def write(self) -> dict[str, object]:
        """Return the state as members of a JSON object, which the caller encrypts."""
        members: dict[str, object] = {
            "step": self.step,
            "began": self.began_at.timestamp(),
            "expires": self.expires_at.timestamp(),
            "device": _write(self.device_hash),
            "request": self.request,
            "goal": None if self.goal == "code" else self.goal,
            "user_code": self.user_code,
            "session": _write(self.session_hash),
            "user": self.user_id,
            "factor": _write(self.factor_hash),
            "recovery_code": None if self.recovery_code is None else self.recovery_code.reveal(),
            "answer": self.answer,
            "email": self.email,
            "name": self.name,
            "way": self.way,
            "problem": self.problem,
            "count": self.count,
            "status": None if self.status == 200 else self.status,
            "told": self.told,
            "typed_by": _write(self.typed_by),
            "number": self.number,
            "end_link": self.end_link,
        }
        return {name: value for name, value in members.items() if value}

    @classmethod
    def read(cls, fields: Fields) -> BrowserLogin:
        """Parse the members that `write` returned.

        Raises:
            Malformed: A member is missing or malformed.
        """
        step, goal, recovery = fields.text("step"), fields.optional_text("goal"), fields.optional_text("recovery_code")
        status, count = fields.values.get("status"), fields.values.get("count")
        if step not in get_args(Step):
            raise Malformed("page: step is unknown", field="step")
        return cls(
            step=cast("Step", step),
            began_at=fields.time("began"),
            expires_at=fields.time("expires"),
            device_hash=_read(fields, "device"),
            request=_mapping(fields, "request"),
            goal=cast("Goal", goal) if goal in get_args(Goal) else "code",
            user_code=fields.optional_text("user_code") or "",
            session_hash=_read(fields, "session"),
            user_id=fields.optional_text("user") or "",
            factor_hash=_read(fields, "factor"),
            recovery_code=None if recovery is None else Secret(recovery),
            answer=_mapping(fields, "answer"),
            email=fields.optional_text("email") or "",
            name=fields.optional_text("name") or "",
            way=fields.optional_text("way") or "",
            problem=fields.optional_text("problem") or "",
            count=count if isinstance(count, int) else 0,
            status=status if isinstance(status, int) else 200,
            told=fields.optional_text("told") or "",
            typed_by=_read(fields, "typed_by"),
            number=fields.optional_text("number") or "",
            end_link=fields.optional_text("end_link") or "",
        )


def begin_device(device: DeviceLogin, user_code: str, now: datetime, typed_by: bytes | None = None) -> BrowserLogin:
    """Return a new browser login for a device login whose user code was entered."""
    return BrowserLogin(
        step="compare", began_at=now, expires_at=device.expires_at, device_hash=device.device_code_hash,
        user_code=user_code, typed_by=typed_by,
    )  # fmt: skip


def begin_request(request: Mapping[str, str], step: Literal["login", "consent"], now: datetime) -> BrowserLogin:
    """Return a new browser login for an authorization request."""
    return BrowserLogin(step=step, began_at=now, expires_at=now + LIFETIME, request=request)


def begin_for_user(
    step: Literal["enter", "login", "notice"],
    now: datetime,
    user_code: str = "",
    *,
    typed_by: bytes | None = None,
    goal: Goal = "code",
) -> BrowserLogin:
    """Return a new browser login without a client: to enter a code, to set up a second factor, or to see the account.

    At the step `notice`, the login only contains a text for the user about an event that has just happened.
    """
    return BrowserLogin(
        step=step, began_at=now, expires_at=now + LIFETIME, user_code=user_code, goal=goal, typed_by=typed_by
    )


class Facts(TypedDict, total=False):
    """The fields of a `BrowserLogin` that a completed step sets."""

    session_hash: bytes | None
    user_id: str
    factor_hash: bytes
    recovery_code: Secret
    answer: Mapping[str, str]
    email: str
    name: str
    way: str
    problem: str
    count: int
    status: int
    told: str
    number: str
    end_link: str


def advance(login: BrowserLogin, step: Step, **facts: Unpack[Facts]) -> BrowserLogin:
    """Return the login at its next step. The texts and secrets that only the present step needs are removed.

    Raises:
        Misuse: The step may not follow the present one, or a field that the step needs is missing.
    """
    if step not in STEPS[login.step]:
        raise Misuse(f"a login in a browser does not go from {login.step} to {step}")
    cleared = replace(login, step=step, problem="", count=0, status=200, told="", recovery_code=None, answer=None)
    after = replace(cleared, **facts)
    if step in AFTER_PASSWORD and not (after.user_id and after.factor_hash and after.session_hash):
        raise Misuse(f"nobody has logged in for the step {step}")
    if step in {"consent", "answered"} and after.request is None:
        raise Misuse(f"there is no authorization request for the step {step}")
    if step == "denied" and after.device_hash is None and not after.is_for_the_user:
        raise Misuse("an authorization request is declined at the client")
    return after


def ending(login: BrowserLogin, device: DeviceLogin, session_hash: bytes, now: datetime) -> BrowserLogin | None:
    """Return the browser login at the step that shows the user's decision about `device`.

    Return None if no decision has been made, or if another session made it.
    """
    if device.session_hash != session_hash or device.stage not in {"approved", "redeemed", "denied"}:
        return None
    step: Step = "denied" if device.stage == "denied" else "allowed"
    return BrowserLogin(
        step=step, began_at=login.began_at, expires_at=now + LIFETIME, device_hash=login.device_hash,
        session_hash=session_hash,
    )  # fmt: skip


def belongs_to(login: BrowserLogin, session_hash: bytes) -> bool:
    """Return whether a browser session may continue the login.

    A login that does not yet belong to a session may be continued by any session.
    """
    return login.session_hash in {None, session_hash}


def has_lapsed(login: BrowserLogin, now: datetime) -> bool:
    return now >= login.expires_at


def _write(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode("ascii")


def _read(fields: Fields, name: str) -> bytes | None:
    text = fields.optional_text(name)
    try:
        return None if text is None else base64.b64decode(text, validate=True)
    except ValueError:
        raise Malformed(f"page: {name} is not base64", field=name) from None


def _mapping(fields: Fields, name: str) -> Mapping[str, str] | None:
    found = fields.values.get(name)
    if found is None:
        return None
    if not isinstance(found, dict):
        raise Malformed(f"page: {name} is not an object", field=name)
    return {str(key): str(value) for key, value in cast("dict[object, object]", found).items()}
