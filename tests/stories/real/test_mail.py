"""`keyfob serve` and its e-mail: by a mail server, into the outbox with --dev, or none, which is said."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from keyfob.io.http import send
from keyfob.protocol.grants import MFA_OOB
from keyfob.protocol.http import JSON, Request, form_request
from tests.mail_server import PASSWORD, USER, MailServer, mail_server
from tests.stories.real.commands import Commands, commands
from tests.tls import Ground

__all__ = ["commands"]
OWN = "a word of pat and of nobody else"
FILE = """
[tenant]
name = "Story & Söhne"
default_directory = "Username-Password-Authentication"
allows_password = true
mfa = "always"

[[connections]]
allows_password = true

[[applications]]
client_id = "legacy"
name = "Legacy"
grants = ["password", "mfa-oob"]

[[users]]
email = "pat@example.com"
password = { env = "PASSWORD_OF_PAT" }
"""
FROM = "Story <no-reply@story.example>"


def served(commands: Commands, *words: str) -> tuple[str, list[str]]:
    """The issuer, and all that is said at the start."""
    file = commands.folder / "tenant.toml"
    file.write_text(FILE, encoding="utf-8")
    commands.environment["PASSWORD_OF_PAT"] = OWN
    process = commands.start("serve", str(file), "--port", "0", *words)
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line.rstrip())
        if line.startswith("Ctrl-C"):
            break
    return next(line.split()[1] for line in said if "issuer" in line), said


def enrol(issuer: str) -> tuple[int, dict[str, object], str]:
    """Ask for a code by e-mail. The status, the answer and the mfa_token."""
    asked = {"grant_type": "password", "client_id": "legacy", "username": "pat@example.com", "password": OWN}
    begun = json.loads(send(form_request(f"{issuer}oauth/token", asked)).body)
    headers = (("authorization", f"Bearer {begun['mfa_token']}"), ("content-type", JSON))
    body = json.dumps({"authenticator_types": ["oob"], "oob_channels": ["email"]}).encode()
    answer = send(Request("POST", f"{issuer}mfa/associate", headers, body))
    return answer.status, json.loads(answer.body), begun["mfa_token"]


@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_code_comes_by_a_mail_server_and_logs_in(commands: Commands, tmp_path: Path, place: str) -> None:
    """[FS-17]: over TLS, with a password that stands in no argument and in nothing that is written."""
    ground = Ground.at(tmp_path)
    words: list[str] = []
    if place == "file":
        (tmp_path / "smtp.secret").write_text(PASSWORD + "\n")
        words = ["--smtp-password", str(tmp_path / "smtp.secret")]
    else:
        commands.environment["KEYFOB_SMTP_PASSWORD"] = PASSWORD
    commands.environment["SSL_CERT_FILE"] = str(ground.ca)
    with mail_server(MailServer(ground.context(), implicit=True)) as server:
        url = f"smtps://{USER}@127.0.0.1:{server.port}"
        issuer, said = served(commands, "--smtp", url, "--mail-from", FROM, *words)
        assert f"  e-mail     by 127.0.0.1:{server.port}, from {FROM}" in said
        status, answer, token = enrol(issuer)
        assert status == 200, answer
        (got,) = server.delivered
        assert got.was_encrypted
        assert (got.message["from"], got.message["to"]) == (FROM, "pat@example.com")
        assert got.message["subject"] == "Your code for Story & Söhne"
        assert "Story &amp; Söhne" in got.part("html")
        (code,) = re.findall(r"\b\d{6}\b", got.part("plain"))
        asked = {"grant_type": MFA_OOB, "client_id": "legacy", "mfa_token": token, "binding_code": code}
        done = send(form_request(f"{issuer}oauth/token", asked | {"oob_code": str(answer["oob_code"])}))
        assert done.status == 200
    assert not (commands.folder / "data" / "outbox").exists()
    (process,) = commands.running
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    audit = (commands.folder / "data" / "audit.jsonl").read_text()
    assert '"gd_send_email"' in audit
    for secret in (PASSWORD, code):
        assert secret not in out + err + audit + "".join(said)


def test_with_dev_a_message_is_a_file(commands: Commands) -> None:
    """[FS-17]."""
    issuer, said = served(commands, "--dev")
    assert f"  e-mail     files in {commands.folder / 'data' / 'outbox'}" in said
    assert enrol(issuer)[0] == 200
    (file,) = (commands.folder / "data" / "outbox").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert "Your code is" in file.read_text()


def test_without_both_none_is_sent_and_the_start_says_so(commands: Commands) -> None:
    """[FS-17]: live codes were written to a folder on every tenant."""
    issuer, said = served(commands)
    assert any(line.startswith("  e-mail     off, so no codes are sent") and "--smtp" in line for line in said)
    status, answer, _ = enrol(issuer)
    assert (status, answer["error"]) == (400, "unsupported_challenge_type")
    assert "sends no e-mail" in str(answer["error_description"])
    assert not (commands.folder / "data" / "outbox").exists()


def test_a_mail_server_that_is_away_is_said_to_the_program_and_to_the_log(commands: Commands) -> None:
    """[FS-17]."""
    with mail_server(MailServer(wants_login=False)) as gone:
        port = gone.port
    issuer, _ = served(commands, "--smtp", f"smtp://127.0.0.1:{port}", "--mail-from", FROM)
    status, answer, _ = enrol(issuer)
    assert (status, answer["error"]) == (503, "temporarily_unavailable")
    (process,) = commands.running
    process.send_signal(signal.SIGINT)  # its last events are written before it ends
    process.communicate(timeout=20)
    assert "the mail server cannot be reached" in (commands.folder / "data" / "audit.jsonl").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--mail-from a@example.com", "there is no mail server"),
        ("--smtp-password there", "there is no mail server"),
        ("--smtp smtp://mail.example.com", "there is no sender for e-mails"),
        ("--smtp smtp://mail.example.com --mail-from nobody", "not a single e-mail address"),
        ("--smtp smtp://post@mail.example.com --mail-from a@example.com", "needs a user name and a password"),
        ("--smtp smtp://post@mail.example.com --mail-from a@b.example --smtp-password nowhere", "cannot be read"),
        ("--smtp smtp://post:hunter2@mail.example.com --mail-from a@b.example", "contains a password"),
    ],
)
def test_a_start_with_half_a_mail_server_is_refused(commands: Commands, words: str, said: str) -> None:
    ran = commands.run("serve", "--port", "0", *words.split())
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "hunter2" not in ran.stdout + ran.stderr
