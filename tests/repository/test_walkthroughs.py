"""The walkthroughs of ARCHITECTURE.md call at most the stated number of files, and name only called files."""

import re
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType

import pytest

import keyfob
from keyfob.cli.main import main
from keyfob.client.io.world import SystemWorld
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import CodeShown, Notice, StillPending
from keyfob.login import App
from keyfob.protocol.http import Request, Response
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID
from keyfob.testing.scene import ORDERS, Scene, SceneWorld, approve
from tools.source import ROOT

PACKAGE = str(Path(keyfob.__file__).parent)
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


class Files:
    """Records the files of keyfob whose functions are called, without imports and without keyfob.testing."""

    def __init__(self) -> None:
        self.places: set[str] = set()
        self._imports = 0

    def start(self) -> None:
        sys.setprofile(self._record)

    @staticmethod
    def stop() -> None:
        sys.setprofile(None)

    @contextmanager
    def recorded(self) -> Generator[None]:
        before = sys.getprofile()
        self.start()
        try:
            yield
        finally:
            sys.setprofile(before)

    def _record(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if code.co_name == "<module>":
            self._imports += {"call": 1, "return": -1}.get(event, 0)
        if event == "call" and not self._imports and code.co_filename.startswith(PACKAGE):
            place = Path(code.co_filename).relative_to(PACKAGE).as_posix()
            if not place.startswith("testing/"):
                self.places.add(place)


@contextmanager
def unrecorded() -> Generator[None]:
    before = sys.getprofile()
    sys.setprofile(None)
    try:
        yield
    finally:
        sys.setprofile(before)


class PolledWorld(SceneWorld):
    """Records one pending poll: at the client from the end of the wait until the notice, and at the server."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene, self.show)
        self.client, self.server = Files(), Files()
        self._scene_itself = scene
        self._polls = 0
        self._shown: CodeShown | None = None

    def show(self, notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            self._shown = notice
        if isinstance(notice, StillPending):
            self.client.stop()
            self._polls += 1
            if self._polls == 2 and self._shown is not None:
                approve(self._scene_itself.person(), self._shown)

    async def wait(self, span: timedelta) -> None:
        await super().wait(span)
        if self._polls == 1:
            self.client.start()

    async def send(self, request: Request) -> Response:
        with unrecorded():
            if self._polls != 1:
                return await super().send(request)
            with self.server.recorded():
                return await super().send(request)


def one_poll() -> PolledWorld:
    scene = Scene()
    world = PolledWorld(scene)
    app = App(
        issuer=scene.config.issuer, client_id=READY_CLIENT_ID, audience=READY_AUDIENCE, vault=scene.vault, world=world
    )
    assert app.log_in(world.show).subject
    return world


def poll_at_the_server(_: pytest.MonkeyPatch, __: Path) -> set[str]:
    return one_poll().server.places


def poll_at_the_client(_: pytest.MonkeyPatch, __: Path) -> set[str]:
    return one_poll().client.places


def token_at_the_guard(_: pytest.MonkeyPatch, __: Path) -> set[str]:
    scene, files = Scene(), Files()
    token = scene.log_in().access_token.reveal()
    request = Request("GET", ORDERS, (("authorization", f"Bearer {token}"),))
    scene.guard.check(request)  # fetches the issuer's keys
    with files.recorded():
        principal = scene.guard.check(request, "read:orders")
    assert "read:orders" in getattr(principal, "scope", ())
    return files.places


def login_by_code(monkeypatch: pytest.MonkeyPatch, home: Path) -> set[str]:
    """Run the command with the network and the clocks in memory; the vault is a plain file."""
    scene, files = Scene(), Files()
    show = SystemWorld.notify

    async def send(_: SystemWorld, request: Request) -> Response:
        with unrecorded():
            return scene.pair.send(request)

    async def wait(_: SystemWorld, span: timedelta) -> None:
        scene.time.go(span)

    def now(_: SystemWorld) -> Moment:
        return scene.time.moment()

    def notify(world: SystemWorld, notice: Notice) -> None:
        show(world, notice)
        if isinstance(notice, CodeShown):
            with unrecorded():
                approve(scene.person(), notice)

    for name, method in (("send", send), ("wait", wait), ("now", now), ("notify", notify)):
        monkeypatch.setattr(SystemWorld, name, method)
    monkeypatch.setenv("KEYFOB_HOME", str(home / "keyfob"))
    flags = ["--issuer", scene.config.issuer, "--client-id", READY_CLIENT_ID, "--audience", READY_AUDIENCE]
    with files.recorded():
        code = main(["login", "--flow", "device", *flags])
    assert code == 0
    assert (home / "keyfob" / "vault" / "default.json").exists()
    return files.places


SCENARIOS: dict[str, Callable[[pytest.MonkeyPatch, Path], set[str]]] = {
    "A pending poll at the server": poll_at_the_server,
    "A pending poll at the client": poll_at_the_client,
    "A token at the guard": token_at_the_guard,
    "A login by code": login_by_code,
}


def test_every_walkthrough_has_its_scenario() -> None:
    assert SECTIONS.keys() == SCENARIOS.keys()


@pytest.mark.parametrize("title", SCENARIOS)
def test_a_walkthrough_passes_no_more_files_than_the_page_says(
    title: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    passed = SCENARIOS[title](monkeypatch, tmp_path)
    first, *_ = SECTIONS[title].strip().split("\n\n")
    [budget] = re.findall(r"At most (\d+) files", first)
    alternatives = {"client/flows/choice.py"} if title == "A login by code" else set[str]()

    assert len(passed) <= int(budget), sorted(passed)
    assert set(re.findall(r"`([a-z_0-9/]+\.py)`", first)) - alternatives <= passed
