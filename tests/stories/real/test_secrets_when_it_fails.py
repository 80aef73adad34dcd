"""Nothing secret is said or left where a program is stopped, killed, damaged or simply wrong."""

from __future__ import annotations

import re
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keyfob.errors import KeyfobError
from tests.stories.real.secrecy.broken import broken
from tests.stories.real.secrecy.story import Story, Talk, seen_by, story
from tests.stories.real.secrecy.tenant import (
    CLI,
    LEGACY,
    MACHINE,
    approve,
    email_of,
    password_of,
    proven_by_app,
    write_tenant,
)

__all__ = ["story"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc")


@contextmanager
def silent(server: Talk) -> Iterator[None]:
    """A tenant that takes what is sent and answers nothing."""
    server.process.send_signal(signal.SIGSTOP)
    yield
    server.process.send_signal(signal.SIGCONT)


def test_a_program_that_is_stopped_in_the_middle_keeps_its_secrets(story: Story) -> None:
    """[C-ASVS-01]: by Ctrl-C, by the system's polite word and by its last one."""
    server, issuer = story.serve(str(write_tenant(story, "pat", "otto")))
    login, pat = ("login", "--issuer", issuer), story.person()
    browser, seen = story.witness("browser")
    story.environment |= {"BROWSER": f"{browser} %s &", "DISPLAY": ":0"}
    device = story.start(*login, *CLI, "--flow", "device")
    approve(story, pat, device.event("device_code"), "pat")
    device.event("granted")
    assert device.end() == 0

    waiting = story.start(*login, *CLI, "--flow", "device", "--profile", "a")
    by_browser = story.start(*login, *CLI, "--flow", "browser", "--profile", "b")
    pasting = story.start(*login, *CLI, "--flow", "paste", "--profile", "c")
    password = story.start(*login, *LEGACY, "--profile", "d")
    half_way = story.start(*login, *LEGACY, "--profile", "e")
    for talk in (password, half_way):
        talk.answer("username", email_of("otto"))
    proven_by_app(story, issuer, "otto")
    half_way.answer("password", password_of(story, "otto"))
    half_way.answer("factor", "authenticator")
    assert half_way.event("question")["kind"] == "otp"
    waiting.event("device_code")
    by_browser.event("browser")
    seen_by(seen, story.environment)
    pasting.event("paste")
    assert password.event("question")["kind"] == "password"
    with silent(server):
        machine, refresh = story.start(*login, *MACHINE, "--profile", "f"), story.start("token", "--min-ttl", "25h")
        killed = story.start(*login, *MACHINE, "--profile", "g")
        for talk in (machine, refresh, killed):
            talk.wait_until_said("receive_response_headers.started")
        for talk in (waiting, by_browser, pasting, password, half_way, machine, refresh):
            assert talk.end(signal.SIGINT) == 130, talk.words
        assert killed.end(signal.SIGKILL) == -signal.SIGKILL
    story.learn_from_vault()
    story.learn_from_tenant()
    story.check()


def test_a_killed_writer_leaves_nothing_that_others_can_read(story: Story) -> None:
    """[C-ASVS-01]: only its owner can read the draft of what it was about to put in place."""
    _, issuer = story.serve(str(write_tenant(story)))
    login = ("login", "--issuer", issuer, *MACHINE)
    with broken(story, f"{Path.replace.__module__}:Path.replace", on="call", by="kill"):
        story.run(*login, code=-signal.SIGKILL)
    drafts = [path for name, path in story.files() if path.name.startswith(".") and path.is_file()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in drafts] == [0o600] * len(drafts) != []
    story.run(*login)
    story.learn_from_vault()
    story.check()


def test_a_damaged_vault_is_not_shown(story: Story) -> None:
    """[C-ASVS-01]: in whichever way it is damaged, and wherever the file goes."""
    _, issuer = story.serve(str(write_tenant(story)))
    story.run("login", "--issuer", issuer, *MACHINE)
    story.learn_from_vault()
    vault = story.folder / "home" / "vault" / "default.json"
    whole = vault.read_bytes()
    for damaged in (whole[: len(whole) * 2 // 3], whole.replace(b'"version"', b'"no version"'), whole[::-1]):
        for words in (("token",), ("status", "--json"), ("logout", "--json"), ("whoami",)):
            vault.write_bytes(damaged)
            story.run_in_turn(words, ("explain",))
    vault.write_bytes(whole[:-1])
    story.run("run", "--", "true", code=8)
    story.run_in_turn(("doctor",), ("call", f"{issuer}userinfo"))
    story.check()


PLACES = (
    ("keyfob.client.auth.token_response:read_tokens", "login --issuer {issuer} {machine} --profile x", "client secret"),
    (
        "keyfob.client.io.vault.vault_file:FileVault.save",
        "login --issuer {issuer} {machine} --profile x",
        "access token",
    ),
    ("keyfob.client.model.stored_login:StoredLogin.read", "call {issuer}userinfo", "refresh token"),
    ("keyfob.client.session.refresh:refresh", "token --min-ttl 25h", "refresh token"),
    ("keyfob.cli.commands.run:_token", "run -- true", "access token"),
    ("keyfob.cli.tools.curl:CurlHelper.answer", "helper curl {issuer}userinfo", "access token"),
    ("keyfob.protocol.revocation:RevocationRequest.write", "logout --json", "refresh token"),
)


def test_a_bug_says_where_it_is_and_nothing_of_what_it_knew(story: Story) -> None:
    """[C-ASVS-01]: its error holds every secret at hand; it comes out of a flow, a vault, a thread and a server."""
    server, issuer = story.serve(str(write_tenant(story, "pat")))
    pat, login = story.person(), ("login", "--issuer", issuer)
    device = story.start(*login, *CLI, "--flow", "device")
    approve(story, pat, device.event("device_code"), "pat")
    device.event("granted")
    assert device.end() == 0
    story.learn_from_vault()
    for place, words, kind in PLACES:
        with broken(story, place) as said:
            story.run(*words.format(issuer=issuer, machine=" ".join(MACHINE)).split(), code=1)
        assert kind in story.known.kinds_in(said.read_text()), place

    # In the thread that hears the browser; the login goes on without it.
    browser, seen = story.witness("browser")
    story.environment |= {"BROWSER": f"{browser} %s &", "DISPLAY": ":0"}
    with broken(story, "keyfob.client.io.terminal.listener:_Expected.read") as said:
        hearing = story.start(*login, *CLI, "--flow", "browser", "--profile", "h")
        pat.open(seen_by(seen, story.environment).words[0])
        pat.press("approve")
        with pytest.raises(KeyfobError):
            pat.press()
    assert "code" in story.known.kinds_in(said.read_text())
    assert hearing.end(signal.SIGINT) == 130

    # In a server, which goes on with the next request.
    assert server.end(signal.SIGINT) == 0
    with broken(story, "keyfob.protocol.tokens:TokenAnswer.write") as said:
        server, issuer = story.serve()
    login = ("login", "--issuer", issuer, *MACHINE, "--profile", "i")
    story.run(*login, code=7)
    story.run(*login)
    never_given = re.findall(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", said.read_text())
    story.known.add("access token", *never_given)
    assert {"client secret", "access token"} <= story.known.kinds_in(said.read_text())
    story.learn_from_vault("i")
    story.learn_from_tenant()
    assert server.end(signal.SIGINT) == 0
    assert "in token_response" in story.said[-1].text, "it says where"
    story.check()
