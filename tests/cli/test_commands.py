import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from keyfob.cli.main import COMMANDS, main
from tests.cli.issuer import PENDING, WELL_KNOWN, as_json, granted, issuer, keep_login
from tests.loopback import Loopback, says

AT_X = "https://x.example/"

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@dataclass
class Ran:
    code: int
    out: str
    err: str

    def members(self) -> dict[str, object]:
        return json.loads(self.out)

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


Keyfob = Callable[..., Ran]


@pytest.fixture
def keyfob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Keyfob:
    """The command line, at home in an empty folder."""
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    for name in ("PROFILE", "ISSUER", "CLIENT_ID", "AUDIENCE", "SCOPE", "DEBUG"):
        monkeypatch.delenv(f"KEYFOB_{name}", raising=False)

    def run(*words: str) -> Ran:
        code = main(list(words))
        out, err = capsysbinary.readouterr()
        return Ran(code, out.decode(), err.decode())

    return run


def log_in(keyfob: Keyfob, server: Loopback, *more: str) -> Ran:
    return keyfob("login", "--issuer", f"{server.url}/", "--client-id", "cli", "--flow", "device", *more)


def test_a_login_shows_the_code_and_keeps_the_tokens(keyfob: Keyfob, tmp_path: Path) -> None:
    """[C-9700-01] [C-8628-09] [C-8628-11]"""
    with issuer(PENDING, granted()) as server:
        ran = log_in(keyfob, server, "--scope", "read:orders")
        token = keyfob("token")

    assert ran.code == 0
    assert ran.out == ""
    assert "WDJB-MJHT" in ran.err
    assert f"{server.url}/activate" in ran.err
    assert "Approve only if you started this login yourself" in ran.err
    assert "logged in" in ran.err
    assert "the-device-code" not in ran.err
    assert "\x1b" not in ran.err
    assert (token.code, token.out, token.err) == (0, "at-1\n", "")
    assert b"read%3Aorders" in server.came[1][3]
    assert sorted(path.name for path in tmp_path.rglob("*.json")) == ["default.json", "default.json", "vault.json"]


def test_a_login_for_a_program_is_a_stream_of_events_without_a_secret(keyfob: Keyfob) -> None:
    """[C-8628-09] [C-8628-11]"""
    with issuer(PENDING, granted(scope="openid")) as server:
        ran = log_in(keyfob, server, "--json")

    assert ran.code == 0
    assert [event["event"] for event in ran.events()] == ["device_code", "pending", "scope_narrowed", "granted"]
    first, *_, last = ran.events()
    assert (first["user_code"], first["verification_uri"]) == ("WDJB-MJHT", f"{server.url}/activate")
    assert (last["profile"], last["issuer"], last["scope"]) == ("default", f"{server.url}/", "openid")
    for secret in ("the-device-code", "at-1", "rt-1"):
        assert secret not in ran.out + ran.err


@pytest.mark.parametrize(
    ("said", "event", "code"), [("access_denied", "denied", 5), ("expired_token", "expired", 6)], ids=str
)
def test_a_login_that_ends_badly_says_how(keyfob: Keyfob, said: str, event: str, code: int) -> None:
    """[C-8628-06]"""
    with issuer(as_json(403, error=said)) as server:
        plain = log_in(keyfob, server)
        events = log_in(keyfob, server, "--json")

    assert (plain.code, events.code) == (code, code)
    assert plain.out == ""
    assert events.events()[-2] == {"event": event}
    problem = events.events()[-1]["error"]
    assert isinstance(problem, dict)
    assert problem["exit"] == code
    assert f"keyfob help {problem['code']}" in plain.err


def test_the_second_login_needs_no_flags(keyfob: Keyfob) -> None:
    with issuer() as server:
        log_in(keyfob, server, "--audience", "https://api.example", "--scope", "a b", "--scope", "c")
        assert keyfob("login").code == 0

    first, second = (body for _, path, _, body in server.came if path == "/device")
    assert first == second
    assert b"a+b+c" in first


def test_another_issuer_is_never_told_what_the_first_was(keyfob: Keyfob) -> None:
    """[C-9700-02]"""
    with issuer() as first, issuer() as second:
        log_in(keyfob, first, "--audience", "https://api.example", "--scope", "secret:plan")
        alone = keyfob("login", "--issuer", f"{second.url}/")
        log_in(keyfob, second)

    assert alone.code == 2
    assert all(b"api.example" not in body and b"secret" not in body for _, _, _, body in second.came)


def test_settings_come_from_the_environment_too(keyfob: Keyfob, monkeypatch: pytest.MonkeyPatch) -> None:
    with issuer() as server:
        for name, value in {"ISSUER": f"{server.url}/", "CLIENT_ID": "cli", "SCOPE": "x:y", "PROFILE": "ci"}.items():
            monkeypatch.setenv(f"KEYFOB_{name}", value)
        assert keyfob("login", "--flow", "device").code == 0

        assert keyfob("whoami", "--json").members()["profile"] == "ci"
        assert keyfob("token", "--profile", "other").code == 4


def test_a_password_is_taken_from_stdin_by_leave_alone_and_never_from_the_words(
    keyfob: Keyfob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[C-9700-07] [C-6749-15]"""
    with issuer(granted()) as server:
        words = ("login", "--issuer", f"{server.url}/", "--client-id", "cli", "--flow", "password")
        assert keyfob(*words).code == 2
        assert keyfob(*words, "--allow-password", "--password", "hunter2").code == 2
        assert [path for _, path, _, _ in server.came] == [WELL_KNOWN]

        monkeypatch.setattr("sys.stdin", io.StringIO("pat@example.com\nhunter2\n"))
        ran = keyfob(*words, "--allow-password")
        monkeypatch.setattr("sys.stdin", io.StringIO("pat@example.com\nhunter2\n"))
        again = keyfob("login", "--json")
        monkeypatch.setattr("sys.stdin", io.StringIO(""))
        nobody = keyfob("login")

        monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\n"))
        named = keyfob("login", "--username", "sam@example.com")
        wrong = keyfob("login", "--flow", "device", "--username", "sam@example.com")

    assert ran.code == 0
    assert (named.code, wrong.code) == (0, 2)
    sent = [parse_qs(body.decode()) for _, path, _, body in server.came if path == "/token"]
    assert [(form["username"], form["password"]) for form in sent] == [
        *[(["pat@example.com"], ["hunter2"])] * 2,
        (["sam@example.com"], ["hunter2"]),
    ]
    assert "RFC 9700 forbids" in ran.err
    kinds = [(event["event"], event.get("kind")) for event in again.events()]
    assert kinds[:3] == [("warning", None), ("question", "username"), ("question", "password")]
    assert kinds[-1] == ("granted", None)
    assert nobody.code == 4
    for said in (ran, again, nobody):
        assert "hunter2" not in said.out + said.err


def test_without_a_terminal_a_login_ends_at_once_and_says_to_a_program_what_to_run(keyfob: Keyfob) -> None:
    """[C-8628-01]: whole, where nothing is kept that would say the rest."""
    with issuer() as server:
        who = ("--issuer", f"{server.url}/", "--client-id", "cli")
        ran = keyfob("login", *who, "--profile", "work", "--audience", "https://api.example/?a=b c")
        assert keyfob("login", *who, "--profile", "work", "--flow", "device").code == 0
        again = keyfob("login", "--profile", "work", "--flow", "auto")

    assert (ran.code, again.code) == (4, 4)
    problem = ran.members()["error"]
    assert isinstance(problem, dict)
    run = problem["run"]
    assert run == f"keyfob login --profile work {' '.join(who)} --audience 'https://api.example/?a=b c'"
    assert (problem["code"], problem["run_and_show_events"]) == ("no-terminal", f"{run} --json")
    assert "there is no terminal" in ran.err
    assert sum(path != WELL_KNOWN for _, path, _, _ in server.came) == 2, "a code and its tokens, of the one in between"


def test_a_login_is_begun_by_one_command_and_finished_by_another(keyfob: Keyfob, tmp_path: Path) -> None:
    with issuer(PENDING, granted()) as server:
        begun = log_in(keyfob, server, "--no-wait", "--json")
        pending = tmp_path / "pending" / "default.json"
        mode = pending.stat().st_mode & 0o777
        first = keyfob("token")
        done = keyfob("login", "--resume")
        again = keyfob("login", "--resume")

    assert [event["event"] for event in begun.events()] == ["device_code"]
    assert "the-device-code" not in begun.out + begun.err + done.out + done.err
    assert os.name != "posix" or mode == 0o600
    assert first.code == 4
    assert done.code == 0
    assert "WDJB-MJHT" in done.err
    assert again.code == 4
    assert not pending.exists()


@pytest.mark.parametrize("command", ["token", "whoami", "inspect"])
def test_without_a_login_a_command_says_which_command_helps(keyfob: Keyfob, command: str) -> None:
    """[C-8628-01]"""
    plain, told = keyfob(*command.split()), keyfob(*command.split(), "--json")

    assert (plain.code, plain.out) == (4, "")
    assert "keyfob login" in plain.err
    assert told.members()["error"]["code"] == "login-required"  # type: ignore[index]
    assert told.err == ""


def test_a_token_can_be_had_with_what_is_known_of_it(keyfob: Keyfob) -> None:
    with issuer() as server:
        keep_login(server)
        told = keyfob("token", "--json").members()

    assert told["access_token"] == "at-1"
    assert told["token_type"] == "Bearer"
    assert str(told["expires_at"]).endswith("Z")


def test_a_token_that_lives_too_short_is_refreshed_or_remarked_on(keyfob: Keyfob) -> None:
    with issuer(granted(access_token="at-2")) as server:
        keep_login(server)
        ran = keyfob("token", "--min-ttl", "2h")

    assert (ran.code, ran.out) == (0, "at-2\n")
    assert "issued none that is valid for longer" in ran.err


@pytest.mark.parametrize("length", ["", "5x", "-5m", "5 m", "m", "\u0665m"])
def test_a_length_of_time_that_is_none_is_refused(keyfob: Keyfob, length: str) -> None:
    assert keyfob("token", f"--min-ttl={length}").code == 2


def test_whoami_says_who_and_asks_nobody(keyfob: Keyfob) -> None:
    with issuer() as server:
        keep_login(server)
        before = len(server.came)
        plain, told = keyfob("whoami"), keyfob("whoami", "--json").members()

    assert plain.code == 0
    assert f"{server.url}/" in plain.out
    assert told["renews"] is True
    assert "at-1" not in plain.out
    assert len(server.came) == before


def test_logout_ends_the_login_here_and_there(keyfob: Keyfob) -> None:
    """[C-7009-01]"""
    with issuer() as server:
        keep_login(server)
        ran = keyfob("logout")

    assert ran.code == 0
    given_back = [form for _, path, _, form in server.came if path == "/revoke"]
    assert [b"token=rt-1" in form for form in given_back] == [True, False]
    assert b"token=at-1" in given_back[1]
    assert "the access token was revoked; an API that verifies tokens offline accepts it until" in ran.err
    assert keyfob("token").code == 4


@pytest.mark.parametrize("answer", [says(503), says(400)], ids=["503", "400"])
def test_logout_warns_when_the_server_was_not_told_and_forgets_anyway(keyfob: Keyfob, answer: object) -> None:
    """[C-RPIL-01] [C-7009-01]"""
    with issuer(revoke=answer) as server:  # type: ignore[arg-type]
        keep_login(server)
        ran = keyfob("logout", "--json")

    assert ran.code == 1
    assert ran.members()["forgotten"] is True
    assert ran.members()["revoked"] is False
    assert keyfob("token").code == 4


def test_logout_of_nobody_is_done(keyfob: Keyfob) -> None:
    assert keyfob("logout").code == 0
    assert keyfob("logout", "--json").members()["forgotten"] is False


def test_a_call_prints_the_body_as_it_is(keyfob: Keyfob) -> None:
    with issuer(orders=says(200, "ä\r\nraw".encode())) as server:
        keep_login(server)
        ran = keyfob("call", f"{server.url}/orders")

    assert (ran.code, ran.out, ran.err) == (0, "ä\r\nraw", "")
    assert server.came[-1][2]["authorization"] == "Bearer at-1"


def test_a_call_has_the_habits_of_curl(keyfob: Keyfob, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b'{"a": 1}\n')
    with issuer(orders=says(204)) as server:
        keep_login(server)
        url = f"{server.url}/orders"
        keyfob("call", url, "-d", "a=1", "-d", "b=2")
        keyfob("call", url, "-X", "put", "-d", f"@{tmp_path / 'body'}", "-H", "Content-Type: application/json")
        keyfob("call", "-X", "DELETE", url)

    posted, put, deleted = server.came[-3:]
    assert (posted[0], posted[3]) == ("POST", b"a=1&b=2")
    assert posted[2]["content-type"] == "application/x-www-form-urlencoded"
    assert (put[0], put[3], put[2]["content-type"]) == ("PUT", b'{"a": 1}\n', "application/json")
    assert (deleted[0], deleted[3]) == ("DELETE", b"")


def test_a_body_may_come_from_stdin(keyfob: Keyfob, monkeypatch: pytest.MonkeyPatch) -> None:
    with issuer(orders=says(200)) as server:
        keep_login(server)
        for word in ("-", "@-"):
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from a pipe")))
            keyfob("call", f"{server.url}/orders", "-d", word)

    assert [body for _, _, _, body in server.came[-2:]] == [b"from a pipe"] * 2


def test_a_refused_call_prints_the_body_and_says_what_would_help(keyfob: Keyfob) -> None:
    """[C-6750-03]"""
    challenge = 'Basic realm="x", bearer error="insufficient_scope", scope="write:orders"'
    with issuer(orders=says(403, b"no", www_authenticate=challenge)) as server:
        keep_login(server, "read:orders")
        ran = keyfob("call", f"{server.url}/orders")

    assert (ran.code, ran.out) == (3, "no")
    assert "403 insufficient_scope" in ran.err
    assert "keyfob login --scope 'email offline_access openid profile read:orders write:orders'" in ran.err


@pytest.mark.parametrize("status", [302, 404, 500])
def test_every_answer_that_is_no_success_has_its_own_exit_code(keyfob: Keyfob, status: int) -> None:
    with issuer(orders=says(status, b"body")) as server:
        keep_login(server)
        ran = keyfob("call", "-i", f"{server.url}/orders")

    assert ran.code == 3
    assert ran.out.startswith(f"HTTP {status}\n")
    assert ran.out.endswith("\n\nbody")


def test_a_challenge_cannot_steer_a_terminal(keyfob: Keyfob) -> None:
    """[C-6749-06]"""
    evil = 'Bearer error="x\x1b[2J", error_description="\x9b31m", scope="$(reboot)\'; rm"'
    with issuer(orders=says(401, b"", www_authenticate=evil)) as server:
        keep_login(server)
        ran = keyfob("call", f"{server.url}/orders")

    assert ran.code == 3
    assert not any(ord(letter) < 32 and letter != "\n" for letter in ran.err)


@pytest.mark.parametrize(
    "words",
    [
        ("http://api.example/",),
        (AT_X, "-H", "Authorization: Bearer mine"),
        (AT_X, "-H", "x"),
        (AT_X, "-H", "a: b\r\nc: d"),
        (AT_X, "-X", "G T"),
        (AT_X, "-d", "@/no/file"),
    ],
)
def test_a_call_that_cannot_be_right_is_not_made(keyfob: Keyfob, words: tuple[str, ...]) -> None:
    """[C-6750-01]"""
    with issuer() as server:
        keep_login(server)
        ran = keyfob("call", *words)

    assert ran.code == 2
    assert ran.out == ""


def test_a_network_that_is_down_has_its_own_exit_code(keyfob: Keyfob) -> None:
    with issuer() as server:
        pass

    assert log_in(keyfob, server).code == 7


def test_a_damaged_vault_has_its_own_exit_code(keyfob: Keyfob, tmp_path: Path) -> None:
    with issuer() as server:
        keep_login(server)
    (tmp_path / "vault" / "default.json").write_bytes(b"\0")

    ran = keyfob("token")

    assert ran.code == 8
    assert len(ran.err.splitlines()) <= 3
    assert keyfob("token").code == 4


def test_help_lists_every_command_and_loads_none(keyfob: Keyfob) -> None:
    ran = keyfob("--help")

    assert ran.code == 0
    assert all(name in ran.out for name in COMMANDS)


def test_a_word_that_is_no_command_is_met_with_the_nearest(keyfob: Keyfob) -> None:
    assert keyfob().code == 2
    ran = keyfob("tokne")

    assert ran.code == 2
    assert "keyfob token" in ran.err


@pytest.mark.parametrize("words", [("--access-token=s3cret",), ("--password", "s3cret"), ("s3cret",)])
def test_a_secret_in_the_wrong_place_is_not_repeated(keyfob: Keyfob, words: tuple[str, ...]) -> None:
    """[C-ASVS-01]"""
    ran = keyfob("token", *words)

    assert ran.code == 2
    assert "s3cret" not in ran.err + ran.out


def test_an_unforeseen_error_is_one_line_and_never_says_what_it_holds(
    keyfob: Keyfob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[C-ASVS-01] A stdin that breaks stands for whatever nobody foresaw."""

    hidden = "s3cret"

    class Broken:
        @property
        def buffer(self) -> object:
            raise RuntimeError(hidden)

    with issuer() as server:
        keep_login(server)
        monkeypatch.setattr(sys, "stdin", Broken())
        plain = keyfob("call", f"{server.url}/orders", "-d", "-")
        monkeypatch.setenv("KEYFOB_DEBUG", "1")
        debug = keyfob("call", f"{server.url}/orders", "-d", "-")

    assert (plain.code, debug.code) == (1, 1)
    assert len(plain.err.splitlines()) == 1
    assert "RuntimeError" in plain.err
    assert "call.py" in debug.err
    assert "s3cret" not in plain.err + debug.err


def test_ctrl_c_is_answered_with_130(keyfob: Keyfob, monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient:
        @property
        def buffer(self) -> object:
            raise KeyboardInterrupt

    with issuer() as server:
        keep_login(server)
        monkeypatch.setattr(sys, "stdin", Impatient())

        assert keyfob("call", f"{server.url}/orders", "-d", "-").code == 130
