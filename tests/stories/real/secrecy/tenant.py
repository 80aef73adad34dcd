"""A tenant that opens every way to log in, and the people and programs that take them."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from keyfob.jose.keys import SigningKey
from keyfob.protocol.grants import MFA_OTP
from keyfob.protocol.http import JSON, Request
from keyfob.server.decide.multifactor import one_time_code, step_of
from keyfob.testing.person import Person
from tests.stories.real.secrecy.story import Story, Talk

AUDIENCE = "https://orders.example/"
FILE = """
[tenant]
name = "Story"
default_audience = "https://orders.example/"
default_directory = "Username-Password-Authentication"
allows_password = true
mfa = "always"
device_interval = "1s"

[[connections]]
name = "Username-Password-Authentication"
allows_password = true

[[applications]]
client_id = "cli"
name = "CLI"
grants = ["device_code", "authorization_code", "refresh_token"]
callbacks = ["http://127.0.0.1/callback"]
any_loopback_port = true

[[applications]]
client_id = "legacy"
name = "Legacy"
grants = ["password", "password-realm", "mfa-otp", "mfa-oob", "mfa-recovery-code", "refresh_token"]

[[applications]]
client_id = "nightly"
name = "Nightly"
kind = "machine"
grants = ["client_credentials"]
auth = ["client_secret_basic", "client_secret_post"]
secrets = [{ env = "NIGHTLY_SECRET" }]

[[applications]]
client_id = "keyed"
name = "Keyed"
kind = "machine"
grants = ["client_credentials"]
auth = "private_key_jwt"
public_keys = [%(key)s]

[[apis]]
audience = "https://orders.example/"
name = "Orders"
scopes = { "read:orders" = "read your orders" }

[[grants]]
client_id = "nightly"
audience = "https://orders.example/"
scopes = ["read:orders"]

[[grants]]
client_id = "keyed"
audience = "https://orders.example/"
scopes = ["read:orders"]
"""
PERSON = """
[[users]]
email = "%(name)s@example.com"
password = { env = "%(variable)s" }
"""
CLI = ("--client-id", "cli", "--audience", AUDIENCE, "--scope", "read:orders", "--json")
LEGACY = ("--client-id", "legacy", "--flow", "password", "--allow-password", "--json")
MACHINE = ("--client-id", "nightly", "--audience", AUDIENCE, "--flow", "machine", "--secret-env", "NIGHTLY_SECRET")


def write_tenant(story: Story, *names: str) -> Path:
    """The file, with these people, and the secrets that it points to in the environment."""
    key = SigningKey.generate("ES256")
    pem = story.folder / "keyed.pem"
    pem.write_bytes(key.pem())
    pem.chmod(0o600)
    story.learn_key("private key", key.pem().decode())
    public = ", ".join(f'{name} = "{value}"' for name, value in key.public_jwk().items())
    story.environment["NIGHTLY_SECRET"] = secret = secrets.token_urlsafe(48) + "+/="
    story.known.add("client secret", secret)
    people = ""
    for name in names:
        variable = f"PASSWORD_OF_{name.upper()}"
        story.environment[variable] = password = f"{secrets.token_urlsafe(12)} & co %"
        story.known.add("password", password)
        people += PERSON % {"name": name, "variable": variable}
    path = story.folder / "tenant.toml"
    path.write_text(FILE % {"key": f"{{ {public} }}"} + people, encoding="utf-8")
    return path


def email_of(name: str) -> str:
    return f"{name}@example.com"


def password_of(story: Story, name: str) -> str:
    return story.environment[f"PASSWORD_OF_{name.upper()}"]


class Authenticator:
    """An app on a telephone. Each code is good once, so it gives the next one each time."""

    def __init__(self, story: Story, seed: str) -> None:
        self._story, self._seed = story, base64.b32decode(seed)
        self._step = step_of(datetime.now(UTC)) - 2

    def code(self) -> str:
        """One that has not been used; three at most in half a minute."""
        self._step = max(self._step + 1, step_of(datetime.now(UTC)) - 1)
        code = one_time_code(self._seed, self._step)
        self._story.known.add("one-time code", code)
        return code


def log_in(story: Story, person: Person, name: str) -> None:
    """Through the pages: password, a second factor that is set up on the way, a recovery code to be kept."""
    person.press("login", email=email_of(name), password=password_of(story, name))
    page = person.press("enrol")
    seed = re.search(r"((?:[A-Z2-7]{4} ){7}[A-Z2-7]{4})", page.text)
    assert seed is not None, page.text
    person.press("verify", code=Authenticator(story, seed[1].replace(" ", "")).code())
    assert "Keep this recovery code" in person.page.text


def approve(story: Story, person: Person, shown: dict[str, str], name: str = "") -> None:
    """A code that a program shows; a name where this browser does not know its person yet."""
    person.open(shown["verification_uri"])
    person.press("continue", user_code=shown["user_code"])
    person.press("confirm")
    if name:
        log_in(story, person, name)
        person.press("kept")
    assert "logged in" in person.page.text, person.page.text


def enrolled_by_wire(story: Story, issuer: str, name: str, kind: str) -> dict[str, object]:
    """A second factor, set up by a program that speaks Auth0's MFA API."""
    begun = story.post(
        f"{issuer}oauth/token", grant_type="password", client_id="legacy", username=email_of(name),
        password=password_of(story, name), scope="openid",
    )  # fmt: skip
    token = str(begun["mfa_token"])
    asked = {"authenticator_types": [kind], **({"oob_channels": ["email"]} if kind == "oob" else {})}
    headers = (("authorization", f"Bearer {token}"), ("content-type", JSON))
    answer = story.tap.send(Request("POST", f"{issuer}mfa/associate", headers, json.dumps(asked).encode()))
    return {"mfa_token": token, **json.loads(answer.body)}


def proven_by_app(story: Story, issuer: str, name: str) -> tuple[Authenticator, str]:
    """An authenticator that is set up and proven, and the recovery code that came with it."""
    begun = enrolled_by_wire(story, issuer, name, "otp")
    telephone = Authenticator(story, str(begun["secret"]))
    story.post(
        f"{issuer}oauth/token",
        grant_type=MFA_OTP,
        client_id="legacy",
        mfa_token=str(begun["mfa_token"]),
        otp=telephone.code(),
    )
    [recovery] = cast("list[str]", begun["recovery_codes"])
    return telephone, recovery


def mailed(story: Story) -> str:
    """The code in the newest message."""
    newest = max((story.folder / "data" / "outbox").iterdir()).read_text(encoding="utf-8")
    found = re.search(r"(?m)\b(\d{6})\b", newest)
    assert found is not None, newest
    story.known.add("one-time code", found[1])
    return found[1]


def mailed_link(story: Story) -> str:
    """The address in a message about a new device, by which its login is ended."""
    files = sorted((story.folder / "data" / "outbox").iterdir())
    texts = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
    bodies = [body.get_content() for text in texts if (body := text.get_body(("plain",))) is not None]
    found = next(found for body in bodies if (found := re.search(r"https?://\S+[?&]link=([^\s&]+)", body)))
    story.known.add("mail link", found[1])
    return found[0]


def ends_well(talk: Talk) -> None:
    """It says so, and ends."""
    talk.event("granted")
    assert talk.end() == 0
