"""The program of examples/ in each framework, as a user types it; the projects of `keyfob new`; and the variants."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keyfob.cli.commands.new import FRAMEWORKS
from keyfob.cli.main import main
from keyfob.testing.person import Person
from keyfob.testing.served_tenant import PASSWORD, ServedTenant, served_tenant
from tests.stories.real.typed import Typed
from tools import variants

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
EXAMPLE = Path(__file__).parents[3] / "examples" / "shop"
# Those of `keyfob new` are tested as its projects; nightly has no tests of its own, see test_guides.py.
VARIANTS = sorted({*variants.FOLDER.glob("*.diff")} - {*variants.OF_NEW, variants.FOLDER / "nightly-secret.diff"})
CODE = r"(?:[A-Z]  ){4}-(?:  [A-Z]){4}"
API = """
import sys
from keyfob.serve import Running, bind
from shop_app.api import make_app
api = Running(make_app(sys.argv[1], "https://orders.example/"), bind("127.0.0.1", 0))
print(api.url, flush=True)
sys.stdin.read()
"""


@dataclass
class Shop:
    """A copy of the example whose login.toml names a running tenant."""

    folder: Path
    tenant: ServedTenant
    environment: dict[str, str]
    terminals: list[Typed] = field(default_factory=list)

    def command(self, framework: str, *words: str) -> list[str]:
        return [sys.executable, "-m", f"shop_app.cli_{framework}", *words]

    def at_terminal(self, framework: str, *words: str) -> Typed:
        self.terminals.append(Typed(self.command(framework, *words), self.environment))
        return self.terminals[-1]

    def run(self, framework: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(framework, *words), env=self.environment, capture_output=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip

    def approve(self, code: str) -> None:
        person = Person()
        person.open(f"{self.tenant.issuer}activate")
        person.press("continue", user_code=code.replace(" ", ""))
        person.press("confirm")
        person.press("login", email=self.tenant.email, password=PASSWORD)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ServedTenant]]:
    """Run the tenant and the API of a copy of the example, whose files then name them."""
    folder = tmp_path_factory.mktemp("example") / "shop"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    with served_tenant(folder / "tenant.toml", folder.parent / "tenant") as tenant:
        api = subprocess.Popen(
            [sys.executable, "-c", API, tenant.issuer], env=environment_of(folder), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert api.stdout is not None
        address = api.stdout.readline().strip()
        for name, before, after in (
            ("login.toml", "http://127.0.0.1:8790/", tenant.issuer),
            ("orders.py", "http://127.0.0.1:8791/", address),
        ):
            path = folder / "shop_app" / name
            text = path.read_text(encoding="utf-8")
            assert before in text
            path.write_text(text.replace(before, after), encoding="utf-8")
        yield folder, tenant
        api.communicate(timeout=30)


def environment_of(folder: Path) -> dict[str, str]:
    """Return an environment without a browser, which finds the example."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYFOB")}
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {"KEYFOB_STORE": "file", "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def shop(running: tuple[Path, ServedTenant], tmp_path: Path) -> Iterator[Shop]:
    folder, tenant = running
    remote = {"KEYFOB_HOME": str(tmp_path / "home"), "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}
    made = Shop(folder, tenant, environment_of(folder) | remote)
    yield made
    for one in made.terminals:
        one.end()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_user_types_a_command_logs_in_and_the_command_goes_on(shop: Shop, framework: str) -> None:
    """Then asks for more than the login allows, and logs out."""
    assert shop.run(framework, "list").returncode == 4
    at = shop.at_terminal(framework, "list")
    at.read_until(r"shop: not logged in; log in now\? \[Y/n\]")
    at.type("\n")
    code = at.read_until(CODE)[0]
    shop.approve(code)
    at.read_until(r"shop: logged in as sam@example.com")
    at.read_until(r"1  brass key")
    assert at.process.wait(30) == 0
    assert "keyfob" not in at.screen
    assert "brass key" in shop.run(framework, "list").stdout
    refused = shop.run(framework, "place", "padlock")
    assert refused.returncode == 4
    assert "write:orders" in refused.stderr
    more = shop.at_terminal(framework, "place", "padlock")
    more.read_until(r"log in now\?")
    more.type("y\n")
    shop.approve(more.read_until(CODE)[0])
    more.read_until(r"\d  padlock")
    assert more.process.wait(30) == 0
    assert shop.run(framework, "logout").returncode == 0
    assert shop.run(framework, "status").returncode == 4


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_ctrl_c_during_the_login_leaves_nothing_and_no_traceback(shop: Shop, framework: str) -> None:
    at = shop.at_terminal(framework, "login")
    at.read_until(CODE)
    at.process.send_signal(signal.SIGINT)
    assert at.process.wait(30) == 130
    assert "Traceback" not in at.screen
    assert shop.run(framework, "status").returncode == 4


def test_two_programs_of_one_name_at_once_make_one_login(shop: Shop) -> None:
    """[FC-05]: the second waits for the first, and uses its login."""
    first = shop.at_terminal("argparse", "login")
    code = first.read_until(CODE)[0]
    second = shop.at_terminal("click", "login")
    second.read_until(r"shop: another process \(\d+\) is logging in to this profile")
    shop.approve(code)
    for one in (first, second):
        one.read_until(r"logged in as")
        assert one.process.wait(30) == 0
    assert not re.search(CODE, second.screen)


def output_of_tests(project: Path) -> str:
    """Run the tests of a project, and return what they print."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=project,
        env=os.environ | {"KEYFOB_STORE": "file"}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_new_project_passes_its_own_tests(
    framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "my-cli", "--framework", framework]) == 0
    assert "my-cli login" in capsys.readouterr().out
    project = tmp_path / "my-cli"
    assert "4 passed" in output_of_tests(project)
    described = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert described["scripts"] == {"my-cli": "my_cli.cli:main"}
    assert (framework in described["dependencies"]) == (framework != "argparse")
    for path in project.rglob("*"):
        if path.is_file() and path.suffix in {".py", ".toml", ".md"}:
            assert not re.search("shop|cli_argparse", path.read_text(encoding="utf-8")), path


def test_the_api_of_the_examples_passes_its_own_tests(tmp_path: Path) -> None:
    variants.write(variants.base(Path("orders_api")), tmp_path)
    assert "3 passed" in output_of_tests(tmp_path)


@pytest.mark.parametrize("diff", VARIANTS, ids=lambda diff: diff.stem)
def test_a_variant_passes_the_tests_of_its_example(diff: Path, tmp_path: Path) -> None:
    variants.write(variants.variant(diff), tmp_path)
    assert re.search("[34] passed", output_of_tests(tmp_path))
