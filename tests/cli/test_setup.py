"""`keyfob setup` changes keyfob's own lines only, and `keyfob helper` gives a token for what was set up only."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyfob.cli.tools import exchange, quick_reply
from keyfob.cli.tools.plans import PLANS
from keyfob.client.io.origin_files import OriginFiles, ToolFile
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.io import bound_origins
from keyfob.protocol.secret import Secret
from tests.cli.desk import Desk, Ran, desk
from tests.cli.test_process import HEAVY

__all__ = ["desk"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="some tools are not set up on Windows yet")
ISSUER = "https://login.example.com/"
GIT = "https://git.example.com"
ROLE = "arn:aws:iam::123456789012:role/deploy"
WORDS = {
    "aws": ("aws", "--role-arn", ROLE),
    **{tool: (tool, f"https://{tool}.example.com") for tool in PLANS if tool != "aws"},
}
FILES = {
    "git": ".gitconfig",
    "kubectl": ".kube/config",
    "aws": ".aws/config",
    "docker": ".docker/config.json",
    "pip": ".config/pip/pip.conf",
    "npm": ".npmrc",
    "pnpm": ".npmrc",
    "bazel": ".bazelrc",
}
# What a user may have there already, with a secret.
BEFORE = {
    "git": "# mine\n[user]\n\tname = Pat\n",
    "kubectl": "apiVersion: v1\nusers:\n- name: pat\n  user:\n    token: s3cret\n",
    "aws": "[default]\naws_secret_access_key = s3cret\n",
    "docker": '{\n  "auths": {\n    "r.example.com": {\n      "auth": "s3cret"\n    }\n  }\n}',
    "pip": "# mine\n[global]\nindex-url = https://pat:s3cret@index.example.com\n[install]\nquiet = 1",
    "npm": "//r.example.com/:_authToken=s3cret\n",
    "pnpm": "//r.example.com/:_authToken=s3cret",
    "bazel": "build --google_credentials=s3cret\n",
}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose PATH has a stub of every tool."""
    folder = tmp_path / "person"
    (folder / "bin").mkdir(parents=True)
    for name in (*PLANS, "uv"):
        stub = folder / "bin" / name
        stub.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        stub.chmod(0o755)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PATH", str(folder / "bin"))
    # Those of the test run itself would send every command the long way.
    for name in [name for name in os.environ if name.startswith("KEYFOB_TEST_")]:
        monkeypatch.delenv(name)
    for name in ("GIT_CONFIG_GLOBAL", "KUBECONFIG", "AWS_CONFIG_FILE", "DOCKER_CONFIG", "PIP_CONFIG_FILE",
                 "UV_CONFIG_FILE", "NPM_CONFIG_USERCONFIG", "XDG_CONFIG_HOME", "KUBERNETES_EXEC_INFO"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


Ask = Callable[..., Ran]


@pytest.fixture
def ask(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Call a helper with an input, by the ordinary path."""

    def call(*words: str, given: str = "") -> Ran:
        exchange._given.clear()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        ran = desk.type("helper", *words)
        exchange._given.clear()
        return ran

    return call


def asked(url: str = GIT) -> str:
    scheme, _, host = url.partition("://")
    return f"protocol={scheme}\nhost={host}\n\n"


@pytest.mark.parametrize("tool", PLANS)
def test_what_setup_writes_it_takes_back_to_the_byte(desk: Desk, tools: Path, tool: str) -> None:
    desk.save(ISSUER)
    file = tools / FILES[tool]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(BEFORE[tool], encoding="utf-8")
    file.chmod(0o640)
    before = snapshot(tools)

    first = desk.type("setup", *WORDS[tool])
    once = snapshot(tools)
    desk.type("setup", *WORDS[tool])
    twice = snapshot(tools)
    last = desk.type("setup", *WORDS[tool], "--remove")

    assert (first.code, last.code) == (0, 0), first.err + last.err
    assert once != before
    assert twice == once
    assert snapshot(tools) == before
    assert file.stat().st_mode & 0o777 == 0o640
    assert "s3cret" not in first.out + first.err + last.out + last.err
    assert str(file) in first.err
    assert ToolFile().load() == []
    assert not list((desk.home / "bin").glob("*"))


@pytest.mark.parametrize("tool", PLANS)
def test_a_file_that_was_not_there_is_private_and_gone_again(desk: Desk, tools: Path, tool: str) -> None:
    desk.save(ISSUER)
    before = snapshot(tools)

    desk.type("setup", *WORDS[tool])
    mode = (tools / FILES[tool]).stat().st_mode & 0o777
    desk.type("setup", *WORDS[tool], "--remove")

    assert mode == 0o600
    assert snapshot(tools) == before


@pytest.mark.parametrize("tool", PLANS)
def test_a_dry_run_shows_the_lines_and_changes_nothing(desk: Desk, tools: Path, tool: str) -> None:
    desk.save(ISSUER)
    before = snapshot(tools), snapshot(desk.home)

    ran = desk.type("setup", *WORDS[tool], "--dry-run")

    assert ran.code == 0
    assert ran.out
    assert (snapshot(tools), snapshot(desk.home)) == before


@pytest.mark.parametrize("tool", PLANS)
def test_for_a_tool_that_is_not_installed_it_is_printed_what_to_write_where(
    desk: Desk, tools: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    desk.save(ISSUER)
    monkeypatch.setenv("PATH", "/nowhere")

    ran = desk.type("setup", *WORDS[tool])

    assert ran.code == 0
    assert f"write yourself into {tools / FILES[tool]}" in ran.err
    assert ran.out
    assert not (tools / FILES[tool]).exists()


def test_the_file_behind_a_link_is_changed_and_the_link_stays(desk: Desk, tools: Path) -> None:
    desk.save(ISSUER)
    (tools / "dotfiles").mkdir()
    (tools / "dotfiles" / "gitconfig").write_text("[a]\n", encoding="utf-8")
    (tools / ".gitconfig").symlink_to("dotfiles/gitconfig")

    desk.type("setup", "git", GIT)

    assert (tools / ".gitconfig").is_symlink()
    assert GIT in (tools / "dotfiles" / "gitconfig").read_text(encoding="utf-8")


def test_without_a_login_nothing_is_set_up(desk: Desk, tools: Path) -> None:
    before = snapshot(tools)

    ran = desk.type("setup", "git", GIT)

    assert ran.code == 4
    assert snapshot(tools) == before


@pytest.mark.parametrize("url", ["http://git.example.com", "https://pat@git.example.com", "ftp://a", "https://", "a b"])
def test_an_address_that_is_not_safe_is_refused(desk: Desk, tools: Path, url: str) -> None:
    desk.save(ISSUER)

    assert desk.type("setup", "git", url).code == 2
    assert ToolFile().load() == []


def test_a_file_that_cannot_be_read_as_text_is_left_alone(desk: Desk, tools: Path) -> None:
    desk.save(ISSUER)
    (tools / ".gitconfig").write_bytes(b"\xff\xfe[a]\n")

    ran = desk.type("setup", "git", GIT)

    assert ran.code == 1
    assert (tools / ".gitconfig").read_bytes() == b"\xff\xfe[a]\n"


def test_a_setting_of_the_users_own_stays_and_no_binding_is_left(desk: Desk, tools: Path) -> None:
    desk.save(ISSUER)
    (tools / ".docker").mkdir()
    (tools / ".docker" / "config.json").write_text('{"credHelpers": {"r.example.com": "ecr-login"}}', encoding="utf-8")

    assert desk.type("setup", "docker", "r.example.com").code == 2
    assert ToolFile().load() == []


def test_a_command_keyring_of_another_is_not_shadowed(desk: Desk, tools: Path) -> None:
    desk.save(ISSUER)
    (tools / "bin" / "keyring").write_text("#!/bin/sh\n", encoding="utf-8")
    (tools / "bin" / "keyring").chmod(0o755)

    ran = desk.type("setup", "pip", "https://pip.example.com/simple/")

    assert ran.code == 0
    assert f"{tools / 'bin' / 'keyring'}, which is another installation" in ran.err
    assert not (desk.home / "bin" / "keyring").exists()


def test_lines_for_all_addresses_stay_until_the_last_is_taken_back(desk: Desk, tools: Path) -> None:
    desk.save(ISSUER)
    desk.type("setup", "pip", "https://a.example.com/simple/")
    desk.type("setup", "pip", "https://b.example.com/simple/")

    desk.type("setup", "pip", "https://a.example.com/simple/", "--remove")
    assert "subprocess" in (tools / FILES["pip"]).read_text(encoding="utf-8")

    desk.type("setup", "pip", "https://b.example.com/simple/", "--remove")
    assert not (tools / FILES["pip"]).exists()


def test_two_profiles_of_aws_use_two_logins_at_one_address(desk: Desk, tools: Path) -> None:
    for name in ("a", "b"):
        desk.save(ISSUER, name)
        assert desk.type("setup", "aws", "--role-arn", ROLE, "--name", name, "--profile", name).code == 0
    assert sorted(line.profile for line in ToolFile().load()) == ["a", "b"]

    desk.type("setup", "aws", "--name", "a", "--remove")

    assert "[profile b]" in (tools / FILES["aws"]).read_text(encoding="utf-8")
    assert "[profile a]" not in (tools / FILES["aws"]).read_text(encoding="utf-8")
    assert "b" in {line.profile for line in ToolFile().load()}


def test_the_token_is_for_the_address_that_was_set_up_and_for_this_tool(desk: Desk, tools: Path, ask: Ask) -> None:
    desk.save(ISSUER)
    desk.type("setup", "git", GIT)

    assert "password=at-1" in ask("git", "get", given=asked()).out
    for other in ("https://git.example.com:8443", "https://example.com", "http://git.example.com", "https://x.example"):
        ran = ask("git", "get", given=asked(other))
        assert (ran.code, ran.out, ran.err) == (0, "", ""), other
    assert ask("docker", "get", given="git.example.com").out == "credentials not found in native keychain\n"
    assert json.loads(ask("bazel", "get", given=json.dumps({"uri": GIT})).out) == {"headers": {}}


def test_an_address_that_no_one_has_named_is_not_bound_by_being_asked_for(desk: Desk, tools: Path, ask: Ask) -> None:
    """`keyfob call` sends a token to the first address; a helper does not."""
    desk.save(ISSUER)

    for _ in range(2):
        assert ask("git", "get", given=asked()).out == ""
    assert OriginFiles().load(ProfileFiles().load("default") or pytest.fail("no profile")).known == ()


def test_an_address_that_the_token_was_sent_to_before_needs_no_setup(desk: Desk, tools: Path, ask: Ask) -> None:
    desk.save(ISSUER)
    profile = ProfileFiles().load("default")
    assert profile is not None
    OriginFiles().add(profile, "https://api.example.com:443")

    ran = ask("curl", "https://api.example.com/orders")

    assert 'oauth2-bearer = "at-1"' in ran.out
    refused = ask("curl", "https://other.example.com/orders")
    assert (refused.code, refused.out) == (2, "")


def test_another_login_under_the_same_name_is_not_bound(desk: Desk, tools: Path, ask: Ask) -> None:
    desk.save(ISSUER)
    desk.type("setup", "git", GIT)
    desk.save("https://elsewhere.example/", access_token=Secret("other-token"))

    ran = ask("git", "--profile", "default", "get", given=asked())

    assert ran.out == "quit=1\n"
    assert "run keyfob setup for git again" in ran.err
    assert "other-token" not in ran.out + ran.err


def test_a_removed_profile_is_named_with_the_command_that_logs_in(desk: Desk, tools: Path, ask: Ask) -> None:
    desk.save(ISSUER, "work")
    desk.type("setup", "git", GIT, "--profile", "work")
    ProfileFiles().remove("work")

    ran = ask("git", "--profile", "work", "get", given=asked())

    assert ran.out == "quit=1\n"
    assert "keyfob login URL CLIENT_ID --profile work" in ran.err


def test_a_file_of_the_project_changes_nothing(desk: Desk, tools: Path, ask: Ask) -> None:
    desk.save(ISSUER)
    desk.save("https://evil.example/", "evil", access_token=Secret("evil-token"))
    desk.type("setup", "git", GIT)
    desk.says('profile = "evil"\nsecret = "this is refused elsewhere"\n')

    assert "password=at-1" in ask("git", "get", given=asked()).out


def test_a_pinned_account_counts(desk: Desk, tools: Path, ask: Ask) -> None:
    desk.save(ISSUER)
    desk.type("setup", "git", GIT)
    desk.config('[profiles.default]\nsubject = "auth0|sam"\n')

    ran = ask("git", "get", given=asked())

    assert ran.out == "quit=1\n"
    assert "another account is logged in" in ran.err


def test_the_variable_chooses_among_logins_for_one_address(
    desk: Desk, tools: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        desk.save(ISSUER, name, access_token=Secret(f"at-{name}"))
        profile = ProfileFiles().load(name)
        assert profile is not None
        OriginFiles().add(profile, "https://api.example.com:443")

    several = ask("curl", "https://api.example.com/orders")
    monkeypatch.setenv("KEYFOB_PROFILE", "b")
    one = ask("curl", "https://api.example.com/orders")

    assert several.code == 2
    assert "several logins are bound to this address: a, b" in several.err
    assert '"at-b"' in one.out


def test_a_token_that_is_bound_to_a_key_is_not_handed_out(desk: Desk, tools: Path, ask: Ask) -> None:
    desk.save(ISSUER, token_type="DPoP", proof_key=Secret("pem"))
    desk.type("setup", "docker", "r.example.com")

    ran = ask("docker", "get", given="r.example.com")

    assert ran.code == 1
    assert "DPoP" in ran.out
    assert "at-1" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("words", "given", "out"),
    [
        (("git", "get"), asked(), "quit=1\n"),
        (("docker", "get"), "git.example.com", "the login has ended"),
        (("bazel", "get"), json.dumps({"uri": GIT}), ""),
        (("keyring", "get", GIT, "oauth2"), "", ""),
        (("pnpm", "--registry", GIT), "", ""),
        (("curl", GIT), "", ""),
    ],
)
def test_a_login_that_has_ended_is_said_with_what_to_run(
    desk: Desk, tools: Path, ask: Ask, words: tuple[str, ...], given: str, out: str
) -> None:
    desk.save(ISSUER, refresh_token=None, expires_at=datetime.now(UTC) - timedelta(hours=1))
    profile = ProfileFiles().load("default")
    assert profile is not None
    ToolFile().add(words[0], "https://git.example.com:443", profile)

    ran = ask(*words, given=given)

    assert "Run: keyfob login" in ran.err
    assert ran.out.startswith(out) if words[0] != "docker" else "Run: keyfob login" in ran.out
    assert ran.code != 0 or words[0] == "git"


QUICK = """
import sys
from keyfob.__main__ import main
sys.argv = ["keyfob", *sys.argv[1:]]
code = main()
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


def quickly(desk: Desk, *words: str, given: str) -> tuple[str, set[str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYFOB_")}
    ran = subprocess.run(
        [sys.executable, "-c", QUICK, "helper", *words], env=kept | {"KEYFOB_HOME": str(desk.home)}, input=given,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ran.stdout, set(ran.stderr.splitlines()[-1].split())


def test_the_second_call_of_git_loads_next_to_nothing(desk: Desk, tools: Path, ask: Ask) -> None:
    desk.save(ISSUER)
    desk.type("setup", "git", GIT)
    first = ask("git", "get", given=asked())

    out, modules = quickly(desk, "git", "--profile", "default", "get", given=asked())

    assert out == first.out
    assert modules.isdisjoint({*HEAVY, "argparse", "re", "typing", "json", "keyfob.errors", "keyfob.login"})


def test_with_an_agent_the_files_of_this_home_do_not_count(
    desk: Desk, tools: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.save(ISSUER)
    desk.type("setup", "git", GIT)
    ask("git", "get", given=asked())
    exchange._given[:] = [asked().encode()]
    assert quick_reply.main(["helper", "git", "get"]) == 0

    exchange._given[:] = [asked().encode()]
    monkeypatch.setenv("KEYFOB_AGENT", "/nowhere/agent.sock")

    assert quick_reply.main(["helper", "git", "get"]) == -1


def test_what_was_given_to_the_quick_path_is_not_lost_for_the_ordinary_one(desk: Desk, tools: Path) -> None:
    desk.save(ISSUER)
    desk.type("setup", "git", GIT)

    out, modules = quickly(desk, "git", "get", given=asked())

    assert "password=at-1" in out
    assert "argparse" in modules


@pytest.mark.parametrize("change", ["another issuer", "removed", "another address", "later version", "readable"])
def test_the_quick_path_answers_only_for_what_was_compared(desk: Desk, tools: Path, ask: Ask, change: str) -> None:
    desk.save(ISSUER)
    desk.type("setup", "git", GIT)
    ask("git", "get", given=asked())
    file = desk.home / bound_origins.NAME
    match change:
        case "another issuer":
            desk.save("https://elsewhere.example/")
        case "removed":
            desk.type("setup", "git", GIT, "--remove")
        case "later version":
            file.write_bytes(file.read_bytes().replace(b"tools 1", b"tools 2"))
        case "readable":
            file.chmod(0o644)
        case _:
            pass
    url = "https://other.example.com" if change == "another address" else GIT

    out, modules = quickly(desk, "git", "get", given=asked(url))

    assert "argparse" in modules
    assert ("password" in out) == (change == "readable")


def test_ctrl_c_while_the_input_is_read_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(io.RawIOBase):
        def read(self, _size: int = -1, /) -> bytes:
            raise KeyboardInterrupt

    class Terminal:
        buffer = Interrupted()

    exchange._given.clear()
    monkeypatch.setattr(sys, "stdin", Terminal())

    assert quick_reply.main(["helper", "git", "get"]) == 130


@pytest.mark.parametrize("given", [asked(), asked("https://other.example.com")])
def test_a_tool_that_went_away_gets_no_trace(desk: Desk, tools: Path, ask: Ask, given: str) -> None:
    desk.save(ISSUER)
    desk.type("setup", "git", GIT)
    ask("git", "get", given=asked())
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYFOB_")}
    for words in (["git", "get"], ["curl", GIT]):
        helper = subprocess.Popen(
            [sys.executable, "-m", "keyfob", "helper", *words], env=kept | {"KEYFOB_HOME": str(desk.home)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert helper.stdout is not None
        helper.stdout.close()
        helper.stdout = None

        _, err = helper.communicate(given, timeout=30)

        assert "Traceback" not in err
        assert "Exception" not in err


def test_without_a_stdout_an_error_is_said(desk: Desk, tools: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYFOB_")}

    ran = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m keyfob helper git capability >&-"],
        env=kept | {"KEYFOB_HOME": str(desk.home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ran.returncode != 0
    assert "stdout" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_after_a_new_login_the_quick_path_is_used_again(desk: Desk, tools: Path, ask: Ask) -> None:
    desk.save(ISSUER)
    desk.type("setup", "git", GIT)
    desk.save(ISSUER, access_token=Secret("at-2"))
    assert "password=at-2" in ask("git", "get", given=asked()).out

    out, modules = quickly(desk, "git", "get", given=asked())

    assert "password=at-2" in out
    assert "argparse" not in modules
