"""Which way to log in is chosen from where, and why: a table of places."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.flows.choice import choose, find_browser
from keyfob.client.io.detect import look_around
from keyfob.client.model.login_state import MEMORY, ServerCapabilities
from keyfob.client.model.profile import INTERACTIVE_FLOWS, InteractiveFlow, read_flow_name
from keyfob.client.model.surroundings import Surroundings
from keyfob.protocol.metadata import ServerMetadata
from keyfob.testing.fake_time import NOON
from tests.client.scripts import METADATA

BOTH = replace(METADATA, authorization_endpoint="https://login.example/authorize")
NO_DEVICE = replace(BOTH, device_authorization_endpoint=None)
NO_BROWSER = METADATA
DESK = Surroundings(has_screen=True, browser="firefox")
CODE = "urn:ietf:params:oauth:grant-type:device_code"

PLACES: dict[str, tuple[Surroundings, ServerMetadata, tuple[InteractiveFlow, ...], str]] = {
    "a desk": (DESK, BOTH, ("browser", "device", "paste"), "a browser can be opened here (firefox)"),
    "a Mac": (
        Surroundings("darwin", has_screen=True, browser="the default browser"),
        BOTH,
        ("browser", "device", "paste"),
        "a browser can be opened",
    ),
    "WSL": (
        Surroundings(is_wsl=True, browser="wslview"),
        BOTH,
        ("browser", "device", "paste"),
        "the browser of Windows can be opened (wslview)",
    ),
    "WSL without a way out": (Surroundings(is_wsl=True), BOTH, ("device", "paste"), "no browser was found"),
    "ssh": (replace(DESK, is_ssh=True), BOTH, ("device", "paste"), "this is an SSH session"),
    "ssh to a server without codes": (replace(DESK, is_ssh=True), NO_DEVICE, ("paste",), "this is an SSH session"),
    "a container": (replace(DESK, container="docker"), BOTH, ("device", "paste"), "this is a container (docker)"),
    "VS Code over SSH": (
        Surroundings(is_ssh=True, remote="vscode-ssh", browser="browser.sh"),
        BOTH,
        ("browser", "device", "paste"),
        "opens addresses on the user's own computer",
    ),
    "a VS Code container": (
        Surroundings(container="docker", remote="vscode-container", browser="browser.sh"),
        BOTH,
        ("browser", "device", "paste"),
        "opens addresses on the user's own computer",
    ),
    "a VS Code tunnel": (
        Surroundings(remote="vscode-tunnel", browser="browser.sh"),
        BOTH,
        ("device", "paste"),
        "this is a VS Code tunnel",
    ),
    "a codespace": (Surroundings(remote="codespaces", browser="x"), BOTH, ("device", "paste"), "this is a codespace"),
    "a text browser": (
        replace(DESK, browser="w3m", is_text_browser=True),
        BOTH,
        ("device", "paste"),
        "the only browser here is a text browser (w3m)",
    ),
    "no graphical session": (
        Surroundings(browser="firefox"),
        BOTH,
        ("device", "paste"),
        "no graphical session for a browser",
    ),
    "no browser": (Surroundings(has_screen=True), BOTH, ("device", "paste"), "no browser was found here"),
    "an agent": (
        replace(DESK, agent="Cursor"),
        BOTH,
        ("device", "paste"),
        "a program runs this command for a user (Cursor)",
    ),
    "automation that shows events": (replace(DESK, ci="GitHub Actions"), BOTH, ("device", "paste"), "GitHub Actions"),
    "nothing to paste on": (Surroundings(has_terminal=False), BOTH, ("device",), "no browser was found here"),
    "a desk, and codes alone": (DESK, NO_BROWSER, ("device",), "the server does not support the browser flow"),
    "a desk, and no codes": (DESK, NO_DEVICE, ("browser", "paste"), "the server does not support the device flow"),
    "a server that lists its grants": (
        DESK,
        replace(BOTH, grant_types_supported=(CODE, "refresh_token")),
        ("device",),
        "the server does not support the browser flow",
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_safest_way_that_works_there_is_chosen_and_said_why(place: str) -> None:
    """[C-10027-01]: a browser on the person's own machine comes before a code, and only where it is proven."""
    here, metadata, doors, why = PLACES[place]
    choice = choose(here, metadata, ServerCapabilities(), has_user=True)
    assert choice.flows == doors
    assert any(why in reason for reason in choice.reasons)
    assert choice.reasons[-1].startswith("chosen: ")


@pytest.mark.parametrize(
    ("here", "where"),
    [
        (Surroundings(has_terminal=False), ""),
        (Surroundings(has_terminal=False, ci="GitLab CI"), "GitLab CI"),
        (replace(DESK, has_terminal=False, agent="Codex"), "Codex"),
    ],
)
def test_where_nobody_is_no_way_is_chosen(here: Surroundings, where: str) -> None:
    choice = choose(here, BOTH, ServerCapabilities(), has_user=False)
    assert choice.flows == ()
    assert "no terminal" in choice.reasons[0]
    assert where in choice.reasons[0]


def test_a_server_without_any_way_leaves_none() -> None:
    bare = ServerMetadata("https://login.example/", "https://login.example/token")
    assert choose(DESK, bare, ServerCapabilities(), has_user=True).flows == ()


def test_what_was_refused_is_left_out_for_a_month_and_a_file_that_is_damaged_says_nothing() -> None:
    capabilities = ServerCapabilities().with_refusals(["browser"], NOON)
    assert choose(DESK, BOTH, capabilities, has_user=True).flows == ("device", "paste")
    assert capabilities.fresh(NOON + MEMORY - timedelta(seconds=1)) == capabilities
    assert capabilities.fresh(NOON + MEMORY) == ServerCapabilities() == capabilities.without("browser")
    assert ServerCapabilities.read(capabilities.write()) == capabilities
    for damaged in (b"", b"[]", b'{"browser": "x"}', b"\xff"):
        assert ServerCapabilities.read(damaged) == ServerCapabilities()


PLACE = st.builds(
    Surroundings,
    has_terminal=st.booleans(),
    is_ssh=st.booleans(),
    is_wsl=st.booleans(),
    container=st.sampled_from(["", "docker", "kubernetes"]),
    remote=st.sampled_from(["", "vscode-ssh", "vscode-container", "vscode-tunnel", "codespaces", "gitpod"]),
    has_screen=st.booleans(),
    browser=st.sampled_from(["", "firefox", "w3m"]),
    is_text_browser=st.booleans(),
    ci=st.sampled_from(["", "CI"]),
    agent=st.sampled_from(["", "an agent"]),
)


@given(PLACE, st.sampled_from([BOTH, NO_DEVICE, NO_BROWSER]), st.booleans())
def test_whatever_the_place_the_choice_can_be_gone_through_and_explained(
    here: Surroundings, metadata: ServerMetadata, has_user: bool
) -> None:
    choice = choose(here, metadata, ServerCapabilities(), has_user=has_user)
    assert choice.reasons
    assert all(choice.reasons)
    assert has_user or not choice.flows
    assert list(choice.flows) == [door for door in INTERACTIVE_FLOWS if door in choice.flows], "the safest first"
    if "browser" in choice.flows:
        assert find_browser(here)[0]
        assert metadata.authorization_endpoint
    assert "device" not in choice.flows or metadata.device_authorization_endpoint
    assert "paste" not in choice.flows or here.has_terminal


SEEN: dict[str, tuple[dict[str, str], tuple[str, ...], dict[str, object]]] = {
    "nothing": ({}, (), {"is_ssh": False, "container": "", "remote": "", "ci": "", "agent": "", "is_wsl": False}),
    "ssh": ({"SSH_CONNECTION": "1 2 3 4"}, (), {"is_ssh": True, "remote": ""}),
    "a tty of ssh alone": ({"SSH_TTY": "/dev/pts/1"}, (), {"is_ssh": True}),
    "wsl by name": ({"WSL_DISTRO_NAME": "Debian"}, (), {"is_wsl": True}),
    "wsl by kernel": ({}, ("proc/sys/kernel/osrelease=5.15-Microsoft-standard-WSL2",), {"is_wsl": True}),
    "docker": ({}, (".dockerenv=",), {"container": "docker"}),
    "podman": ({"container": "podman"}, ("run/.containerenv=",), {"container": "podman"}),
    "kubernetes": ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, (".dockerenv=",), {"container": "kubernetes"}),
    "a service of systemd": ({"container": "systemd-nspawn-like"}, (), {"container": ""}),
    "wsl is no container": ({"WSL_DISTRO_NAME": "Debian"}, (".dockerenv=",), {"container": "", "is_wsl": True}),
    "a codespace": ({"CODESPACES": "true", "REMOTE_CONTAINERS": "true"}, (), {"remote": "codespaces"}),
    "gitpod": ({"GITPOD_WORKSPACE_ID": "x"}, (), {"remote": "gitpod"}),
    "a cloud's shell": ({"CLOUD_SHELL": "true"}, (), {"remote": "cloud-shell"}),
    "a tunnel": ({"VSCODE_CLI_TUNNEL": "1"}, (), {"remote": "vscode-tunnel"}),
    "an editor's container": ({"REMOTE_CONTAINERS": "true"}, (".dockerenv=",), {"remote": "vscode-container"}),
    "an editor over ssh": (
        {"VSCODE_IPC_HOOK_CLI": "/x", "SSH_CONNECTION": "1 2 3 4"},
        (),
        {"remote": "vscode-ssh", "is_ssh": True},
    ),
    "GitHub": ({"GITHUB_ACTIONS": "true", "CI": "true"}, (), {"ci": "GitHub Actions"}),
    "some automation": ({"CI": "1"}, (), {"ci": "CI"}),
    "none, and it is said": ({"CI": "false"}, (), {"ci": ""}),
    "an agent": ({"CLAUDECODE": "1"}, (), {"agent": "Claude Code"}),
    "a screen": ({"DISPLAY": ":0"}, (), {"has_screen": True}),
    "a newer screen": ({"WAYLAND_DISPLAY": "wayland-0"}, (), {"has_screen": True}),
}


@pytest.mark.parametrize("sign", SEEN)
def test_a_place_is_known_by_its_signs(sign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    environment, files, expected = SEEN[sign]
    for file in files:
        name, _, text = file.partition("=")
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    here = look_around(environment, tmp_path)
    assert {name: getattr(here, name) for name in expected} == expected


@pytest.mark.parametrize(("opener", "is_text"), [("firefox", False), ("w3m", True), ("/usr/bin/lynx", True)])
def test_the_browser_that_would_be_opened_is_known_by_name(
    opener: str, is_text: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import webbrowser

    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser(opener))
    here = look_around({"DISPLAY": ":0"}, tmp_path)
    assert here.browser == Path(opener).name
    assert here.is_text_browser == is_text
    assert look_around({}, tmp_path).browser == ""


def test_a_way_is_known_by_its_name_and_nothing_else_is_one() -> None:
    assert [read_flow_name(name) for name in ("paste", "password", "", None, "magic")] == [
        "paste", "password", "auto", "auto", "auto",
    ]  # fmt: skip
