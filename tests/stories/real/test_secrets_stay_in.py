"""Nothing secret is said or left where it may not be: every way to log in, every command of every day.

What is secret, what is not, and what may show it stands in `secrecy/kinds.py`, each with its reason.
"""

from __future__ import annotations

import signal
import sys

import pytest

from keyfob.client.io.vault.key_places import open_place
from keyfob.jose.keys import SigningKey
from keyfob.protocol.grants import MFA_OOB
from keyfob.testing.person import Person
from tests.stories.real.secrecy.story import Story, Talk, seen_by, story
from tests.stories.real.secrecy.tenant import (
    AUDIENCE,
    CLI,
    LEGACY,
    MACHINE,
    approve,
    email_of,
    ends_well,
    enrolled_by_wire,
    mailed,
    mailed_link,
    password_of,
    proven_by_app,
    write_tenant,
)

__all__ = ["story"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc")


def test_every_way_to_log_in_keeps_its_secrets(story: Story) -> None:
    """[C-ASVS-01] [C-8628-11]"""
    server, issuer = story.serve("--dev", str(write_tenant(story, "pat", "otto", "mail")))
    pat = story.person()
    _by_code(story, issuer, pat)
    assert pat.open(mailed_link(story)).forms
    _by_browser(story, issuer, pat)
    _by_pasting(story, issuer, pat)
    _by_password(story, issuer)
    _as_itself(story, issuer)
    _daily(story, issuer)
    story.learn_from_tenant()
    assert server.end(signal.SIGINT) == 0
    _offline(story, issuer)
    story.check()
    unseen = {kind for kind, values in story.known.kinds.items() if not values}
    assert unseen == {"passphrase", "vault key", "hash"}, "those have stories of their own"


def _by_code(story: Story, issuer: str, pat: Person) -> None:
    """In one go, in two, declined, and with a key of the login's own."""
    login = ("login", "--issuer", issuer, *CLI, "--flow", "device")
    first, two, no = (
        story.start(*login),
        story.start(*login, "--no-wait", "--profile", "two"),
        story.start(*login, "--profile", "no"),
    )
    bound = story.start(*login, "--profile", "bound", "--dpop", "require")
    approve(story, pat, first.event("device_code"), "pat")
    shown = two.event("device_code")
    assert two.end() == 0
    pending = story.folder / "home" / "pending" / "two.json"
    assert story.known.kinds_in(pending.read_text()) >= {"device code"}
    approve(story, pat, shown)
    resumed = story.start("login", "--resume", "--profile", "two", "--json")
    approve(story, pat, bound.event("device_code"))
    shown = no.event("device_code")
    pat.open(shown["verification_uri"])
    pat.press("continue", user_code=shown["user_code"])
    pat.press("decline")
    for talk in (first, resumed, bound):
        ends_well(talk)
    assert no.end() == 5
    for name in ("default", "two", "bound"):
        story.learn_from_vault(name)


def _by_browser(story: Story, issuer: str, pat: Person) -> None:
    """And what the browser is started with; and one at which the person says no."""
    browser, seen = story.witness("browser")
    story.environment |= {"BROWSER": f"{browser} %s &", "DISPLAY": ":0"}
    for name, button, code in (("by-browser", "approve", 0), ("by-nobody", "decline", 5)):
        seen.unlink(missing_ok=True)
        login = story.start("login", "--issuer", issuer, *CLI, "--flow", "browser", "--profile", name)
        login.event("browser")
        started = seen_by(seen, story.environment)
        pat.open(started.words[0])
        pat.press(button)
        if pat.page.forms:
            pat.press()
        assert login.end() == code
        assert "code=" not in started.line
        story.hear("the browser", "process", f"{started.line} {started.added}")
    story.learn_from_vault("by-browser")


def _by_pasting(story: Story, issuer: str, pat: Person) -> None:
    """The address that the browser ends at holds the code."""
    login = story.start("login", "--issuer", issuer, *CLI, "--flow", "paste", "--profile", "pasted")
    away, ended = story.away(pat)
    away.open(login.event("paste")["address"])
    away.press("approve")
    assert story.known.kinds_in(ended[0]) >= {"code"}
    for pasted in ("http://127.0.0.1:1/callback?code=what-is-this-0123456789", ended[0]):
        login.answer("address", pasted)
    ends_well(login)
    story.learn_from_vault("pasted")


def _by_password(story: Story, issuer: str) -> None:
    """With each second factor, with a wrong password, and with a code that is mistyped."""
    telephone, recovery = proven_by_app(story, issuer, "otto")
    oob = enrolled_by_wire(story, issuer, "mail", "oob")
    story.post(
        f"{issuer}oauth/token", grant_type=MFA_OOB, client_id="legacy", mfa_token=str(oob["mfa_token"]),
        oob_code=str(oob["oob_code"]), binding_code=mailed(story),
    )  # fmt: skip
    login = ("login", "--issuer", issuer, *LEGACY, "--profile")

    def begin(name: str, profile: str, password: str = "") -> Talk:
        talk = story.start(*login, profile)
        talk.answer("username", email_of(name))
        talk.answer("password", password or password_of(story, name))
        return talk

    wrong = begin("otto", "wrong", "nearly the right one")
    story.known.add("password", "nearly the right one")
    assert wrong.end() == 3
    by_app, by_mail, by_paper = begin("otto", "by-app"), begin("mail", "by-mail"), begin("otto", "by-paper")
    by_app.answer("factor", "authenticator")
    by_app.answer("otp", "000000")
    by_app.answer("otp", telephone.code())
    ends_well(by_app)
    by_paper.answer("factor", "recovery")
    by_paper.answer("recovery_code", recovery)
    spoken = by_paper.event("recovery_code")["recovery_code"]
    ends_well(by_paper)
    assert spoken in story.known.kinds["recovery code"]
    by_mail.answer("factor", "e-mail")
    by_mail.answer("binding_code", lambda: mailed(story))
    ends_well(by_mail)
    for name in ("by-app", "by-mail", "by-paper"):
        story.learn_from_vault(name)


def _as_itself(story: Story, issuer: str) -> None:
    """By a secret or a key, in a variable or a file; refused, and not there at all."""
    login = ("login", "--issuer", issuer, "--audience", AUDIENCE, "--flow", "machine")
    key, secret = story.folder / "keyed.pem", story.folder / "nightly.secret"
    secret.write_text(story.environment["NIGHTLY_SECRET"], encoding="utf-8")
    story.environment |= {"KEYED": key.read_text(encoding="utf-8"), "WRONG": "a wrong secret that is long enough"}
    story.known.add("client secret", story.environment["WRONG"])
    other = SigningKey.generate("ES256").pem().decode()
    story.learn_key("private key", other)
    story.environment["OTHER"] = other
    commands: list[tuple[int | str, ...]] = []
    for name, client, code, *proof in (
        ("by-secret", "nightly", 0, "--secret-env", "NIGHTLY_SECRET"),
        ("by-secret-file", "nightly", 0, "--secret-file", str(secret), "--json"),
        ("by-key", "keyed", 0, "--key-file", str(key)),
        ("by-key-env", "keyed", 0, "--key-env", "KEYED", "--json"),
        ("refused", "nightly", 3, "--secret-env", "WRONG"),
        ("refused-key", "keyed", 3, "--key-env", "OTHER", "--json"),
        ("not-a-key", "keyed", 2, "--key-env", "WRONG"),
        ("missing", "keyed", 2, "--key-env", "NOWHERE"),
    ):
        commands.append((code, *login, "--profile", name, "--client-id", client, *proof))
    story.run_in_turn(*commands)
    for name in ("by-secret", "by-secret-file", "by-key", "by-key-env"):
        story.learn_from_vault(name)


def _daily(story: Story, issuer: str) -> None:
    """What is done with a login, on good days."""
    printed = story.run("token", "--json")
    assert story.known.kinds_in(printed) == {"access token"}
    program, seen = story.witness("program")
    story.run("run", "--as", "T", "--", str(program), "a word")
    started = seen_by(seen, story.environment)
    assert story.known.kinds_in(started.added.pop("T")) == {"access token"}
    story.hear("the program", "process", f"{started.line} {started.added}")
    story.run("token", "--min-ttl", "25h")
    story.learn_from_vault()
    story.run_in_turn(("status", "--online"))
    story.learn_from_vault()
    story.run_in_turn(*(words.split() for words in (
        "whoami", "whoami --json", f"call {issuer}userinfo -i",
        f"call {issuer}oauth/token -d code=made-up-and-of-no-use -i", "status --all --json", "profile list",
        "profile show default --json", "explain --json", "doctor --json", f"doctor --tenant {story.folder / 'data'}",
        "inspect", "inspect --json", "vault status --json", "completion bash", "profile use two", "logout",
        "logout --profile by-paper --json",
    )))  # fmt: skip


def _offline(story: Story, issuer: str) -> None:
    """The issuer has gone."""
    del story.environment["HTTP_PROXY"]
    story.run_in_turn(*(words.split() for words in (
        "token --profile bound --min-ttl 25h", "whoami --profile pasted", f"call {issuer}userinfo --profile bound",
        "status --online --profile pasted", "doctor", "token --profile two",
        f"login --issuer {issuer} --client-id cli --flow device --profile off --json",
        f"login --issuer {issuer} --client-id nightly --flow machine --secret-env NIGHTLY_SECRET --profile off",
        f"login --issuer {issuer} --client-id keyed --flow machine --key-env KEYED --profile off2",
        "logout --all --json",
    )))  # fmt: skip


def test_a_sealed_vault_keeps_its_key_and_what_it_holds(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """[C-ASVS-01]: neither key nor passphrase nor token is in any file or word, wherever the vault moves to."""
    phrase = story.folder / "phrase"
    phrase.write_text("a passphrase that nobody repeats\n", encoding="utf-8")
    story.known.add("passphrase", "a passphrase that nobody repeats")
    story.environment |= {"KEYFOB_PASSPHRASE_FILE": str(phrase)}
    _, issuer = story.serve(str(write_tenant(story)))
    story.run("login", "--issuer", issuer, *MACHINE)
    story.run("token")
    home = story.folder / "home"
    story.learn_from_vault()
    story.run("vault", "move", "passphrase")
    monkeypatch.setenv("KEYFOB_PASSPHRASE_FILE", str(phrase))
    key = open_place("passphrase", home).read(may_ask=False)
    assert key is not None
    story.known.add("vault key", key)
    sealed = [path for path in home.rglob("*") if path.is_file()]
    for path in sealed:
        assert (
            story.known.found_in(path.read_bytes().decode("latin-1"), {"access token"} if "quick" in path.parts else ())
            == {}
        )
    story.run_in_turn(
        ("whoami",),
        ("vault", "status", "--json"),
        ("doctor", "--json"),
        ("explain",),
        (0, "vault", "quick", "off"),
        (0, "token"),
    )
    assert not list(home.glob("quick/*"))
    phrase.write_text("another one\n", encoding="utf-8")
    story.run_in_turn((8, "token", "--json"), (8, "whoami"), ("vault", "status"), (8, "vault", "move", "file"))
    phrase.write_text("a passphrase that nobody repeats\n", encoding="utf-8")
    story.run_in_turn((0, "vault", "move", "file"), (0, "profile", "remove", "default"))
    story.check()
