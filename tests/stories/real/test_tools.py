"""One stored login whose token has lapsed serves real tools, each at a guarded server, with one refresh."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stories.real.guarded import (
    Guarded,
    Workplace,
    as_json,
    credentials_of_sts,
    files_of,
    guarded,
    log_in,
    workplace,
)
from tests.tls import Ground

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the tools are started by scripts of sh")
ROLE = "arn:aws:iam::123456789012:role/deploy"
# Beside what is installed, the programs of tests/wild count.
PEERS = Path(os.environ.get("KEYFOB_TEST_PEERS") or "/nowhere") / "python" / "bin"
AWS = shutil.which("aws", path=os.pathsep.join([str(PEERS), str(Path(sys.executable).parent), os.environ["PATH"]]))
MODULES = Path(__file__).parents[2] / "wild" / "peers" / "node_modules" / ".bin"
PNPM = shutil.which("pnpm", path=os.pathsep.join([str(MODULES), os.environ["PATH"]]))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Workplace]:
    with workplace(tmp_path) as made:
        yield made


@pytest.fixture
def server(here: Workplace) -> Iterator[Guarded]:
    with guarded(here.issuer) as made:
        yield made


@pytest.fixture
def secure(here: Workplace) -> Iterator[Guarded]:
    """A guarded server with TLS, which tools in Go insist on; they trust its authority."""
    ground = Ground.at(here.folder)
    here.variables["SSL_CERT_FILE"] = str(ground.ca)
    with guarded(here.issuer, tls=ground.context()) as made:
        yield made


def repository(here: Workplace, server: Guarded) -> str:
    """A repository with one commit, which the guarded server serves; its address."""
    here.has("git")
    source, bare = here.folder / "source", here.folder / "served" / "demo.git"
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (
        ("init", "--quiet", "-b", "main", str(source)),
        ("-C", str(source), *author, "commit", "--quiet", "--allow-empty", "-m", "first"),
        ("clone", "--quiet", "--bare", str(source), str(bare)),
        ("-C", str(bare), "update-server-info"),
    ):
        assert here.run("git", *words).returncode == 0
    server.pages.update(files_of(here.folder / "served"))
    return f"{server.url}/demo.git"


def test_git_clones_with_the_token_of_the_login(here: Workplace, server: Guarded) -> None:
    address = repository(here, server)
    here.setup("git", server.url)

    first = here.run("git", "clone", "--quiet", address, "copy")
    second = here.run("git", "ls-remote", address)

    assert (first.returncode, first.stderr) == (0, "")
    assert "refs/heads/main" in second.stdout
    assert set(server.took) == {"at-1-2"}
    assert here.issuer.refreshes == 1


def test_a_newer_git_sends_the_token_as_bearer(here: Workplace, server: Guarded) -> None:
    version = here.run("git", "--version").stdout.split()[2].split(".")
    if tuple(map(int, version[:2])) < (2, 46):
        pytest.skip("git is older than 2.46")
    address = repository(here, server)
    server.challenge = 'Bearer realm="guarded"'
    here.setup("git", server.url)

    done = here.run("git", "ls-remote", address)

    assert (done.returncode, done.stderr) == (0, "")
    assert here.issuer.refreshes == 1


def test_git_gives_the_token_to_no_other_server(here: Workplace, server: Guarded) -> None:
    with guarded(here.issuer) as other:
        here.setup("git", server.url)
        # The helper is asked for every server, as by a line of a user who was in a hurry.
        here.run("git", "config", "--global", "credential.helper", f"!{here.folder}/bin/keyfob helper git")

        done = here.run("git", "ls-remote", f"{other.url}/demo.git")

    assert done.returncode != 0
    assert other.took == []
    assert here.issuer.refreshes == 0


def test_git_gets_another_token_once_the_server_has_refused_one(here: Workplace, server: Guarded) -> None:
    address = repository(here, server)
    here.setup("git", server.url)
    assert here.run("git", "ls-remote", address).returncode == 0
    server.refused.add("at-1-2")

    refused = here.run("git", "ls-remote", address)
    again = here.run("git", "ls-remote", address)

    assert refused.returncode != 0
    assert again.returncode == 0, again.stderr
    assert here.issuer.refreshes == 2


def test_git_is_told_what_to_run_when_the_login_has_ended(here: Workplace, server: Guarded) -> None:
    address = repository(here, server)
    here.setup("git", server.url)
    here.issuer.families[0].is_alive = False

    done = here.run("git", "ls-remote", address)

    assert done.returncode != 0
    assert "Run: keyfob login" in done.stderr
    assert "Username" not in done.stderr


def test_twenty_helpers_at_once_make_one_refresh(here: Workplace, server: Guarded) -> None:
    here.setup("git", server.url)
    host = server.url.removeprefix("http://")
    helpers = [here.start("keyfob", "helper", "git", "--profile", "default", "get") for _ in range(20)]

    for helper in helpers:  # each waits for its input; all of it is sent before any answer is read
        assert helper.stdin is not None
        helper.stdin.write(f"protocol=http\nhost={host}\n\n")
        helper.stdin.close()
    answers = []
    for helper in helpers:
        assert helper.stdout is not None
        assert helper.stderr is not None
        answers.append((helper.stdout.read(), helper.stderr.read(), helper.wait(60)))
        helper.stdout.close()
        helper.stderr.close()

    assert {code for _, _, code in answers} == {0}, answers
    assert all("password=at-1-2\n" in out for out, _, _ in answers)
    assert here.issuer.refreshes == 1
    assert here.issuer.reuses == []


def test_ten_setups_at_once_lose_no_line(here: Workplace) -> None:
    here.has("git")
    started = [here.start("keyfob", "setup", "git", f"https://{at}.example.com") for at in range(10)]

    for one in started:
        _, err = one.communicate(timeout=60)
        assert one.returncode == 0, err

    text = (here.folder / ".gitconfig").read_text(encoding="utf-8")
    assert all(f'[credential "https://{at}.example.com"]' in text for at in range(10))


def test_pip_and_uv_install_from_a_guarded_index(here: Workplace, server: Guarded) -> None:
    index = here.folder / "index"
    (index / "simple" / "keyfob-demo").mkdir(parents=True)
    name = "keyfob_demo-1-py3-none-any.whl"
    with zipfile.ZipFile(index / name, "w") as wheel:
        wheel.writestr("keyfob_demo.py", "")
        wheel.writestr("keyfob_demo-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: keyfob-demo\nVersion: 1\n")
        wheel.writestr(
            "keyfob_demo-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("keyfob_demo-1.dist-info/RECORD", "")
    server.pages["/simple/keyfob-demo/"] = (200, "text/html", f'<a href="/{name}">{name}</a>'.encode())
    server.pages[f"/{name}"] = (200, "application/octet-stream", (index / name).read_bytes())
    for tool in ("pip", "uv"):
        (here.folder / "bin" / tool).symlink_to(Path(sys.executable).parent / tool)
    shown = here.setup("pip", f"{server.url}/simple/")
    assert f"pip install --index-url http://__token__@{server.url[7:]}/simple/ PACKAGE" in shown.stderr
    address = f"http://__token__@{server.url[7:]}/simple/"

    pip = here.run("pip", "install", "--quiet", "--no-deps", "--no-cache-dir", "--disable-pip-version-check",
                   "--target", "by-pip", "--index-url", address, "keyfob-demo")  # fmt: skip
    uv = here.run("uv", "pip", "install", "--no-cache", "--python", sys.executable, "--target", "by-uv",
                  "--index-url", address, "keyfob-demo")  # fmt: skip

    assert pip.returncode == 0, pip.stderr
    assert uv.returncode == 0, uv.stderr
    assert (here.folder / "by-pip" / "keyfob_demo.py").exists()
    assert (here.folder / "by-uv" / "keyfob_demo.py").exists()
    assert here.issuer.refreshes == 1


@pytest.mark.skipif(AWS is None, reason="aws is not installed")
def test_the_aws_cli_assumes_a_role_with_the_token(here: Workplace) -> None:
    (here.folder / "bin" / "aws").symlink_to(str(AWS))
    with guarded(here.issuer, is_open=True) as sts:
        sts.pages["/"] = credentials_of_sts
        here.setup("aws", "--role-arn", ROLE, "--sts", sts.url)

        done = here.run("aws", "--profile", "keyfob", "--region", "eu-west-1", "--endpoint-url", sts.url,
                        "sts", "get-caller-identity", "--output", "json")  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Arn"] == ROLE
    assert sts.took == ["at-1-2"]
    assert here.issuer.refreshes == 1


def test_docker_reads_a_manifest_of_a_guarded_registry(here: Workplace, secure: Guarded) -> None:
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": "sha256:" + "0" * 64}
    manifest = {
        "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "config": config,
        "layers": [],
    }  # fmt: skip
    secure.pages["/v2/"] = as_json()
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    secure.pages["/v2/demo/manifests/1"] = (200, kind, json.dumps(manifest).encode())
    secure.pages["/v2/demo/blobs/"] = lambda _path, _body: (200, "application/octet-stream", b"{}")
    here.has("docker")
    here.setup("docker", secure.url[8:])

    done = here.run("docker", "manifest", "inspect", f"{secure.url[8:]}/demo:1")

    assert "at-1-2" in secure.took, done.stderr
    assert here.issuer.refreshes == 1


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_kubectl_asks_a_guarded_cluster(here: Workplace, secure: Guarded, version: str) -> None:
    here.has("kubectl")
    secure.pages["/version"] = as_json(major="1", minor="32", gitVersion="v1.32.0")
    for words in (
        ("set-cluster", "demo", f"--server={secure.url}", f"--certificate-authority={here.folder / 'ca.pem'}"),
        ("set-context", "demo", "--cluster=demo", "--user=nobody"),
        ("use-context", "demo"),
    ):
        assert here.run("kubectl", "config", *words).returncode == 0
    shown = here.setup("kubectl", secure.url)
    [command] = [line.split("Then run: ")[1] for line in shown.stderr.splitlines() if "Then run: " in line]
    assert here.run(*command.split()).returncode == 0

    config = here.folder / ".kube" / "config"
    config.write_text(
        config.read_text(encoding="utf-8").replace("k8s.io/v1\n", f"k8s.io/{version}\n"), encoding="utf-8"
    )
    done = here.run("kubectl", "get", "--raw", "/version")

    assert json.loads(done.stdout)["minor"] == "32", done.stderr
    assert set(secure.took) == {"at-1-2"}
    assert here.issuer.refreshes == 1
    here.setup("kubectl", secure.url, "--remove")
    assert "keyfob-127" not in here.run("kubectl", "config", "get-users").stdout


def test_npm_reads_a_package_of_a_guarded_registry(here: Workplace, server: Guarded) -> None:
    here.has("npm")
    server.challenge = 'Bearer realm="guarded"'
    versions = {"1.0.0": {"name": "keyfob-demo", "version": "1.0.0", "dist": {"tarball": f"{server.url}/t.tgz"}}}
    tags = {"latest": "1.0.0"}
    server.pages["/keyfob-demo"] = as_json(name="keyfob-demo", **{"dist-tags": tags}, versions=versions)
    here.setup("npm", server.url)
    words = ("npm", "view", "--no-update-notifier", "--registry", server.url, "keyfob-demo", "version")

    done = here.run("keyfob", "run", "--", *words)
    without = here.run(*words)

    assert done.stdout.strip() == "1.0.0", done.stderr
    assert without.returncode != 0
    assert here.issuer.refreshes == 1


@pytest.mark.skipif(PNPM is None, reason="pnpm is not installed")
def test_pnpm_resolves_a_package_of_a_guarded_registry(here: Workplace, server: Guarded) -> None:
    (here.folder / "bin" / "pnpm").symlink_to(str(PNPM))
    versions = {"1.0.0": {"name": "keyfob-demo", "version": "1.0.0", "dist": {"tarball": f"{server.url}/t.tgz"}}}
    server.pages["/keyfob-demo"] = as_json(name="keyfob-demo", **{"dist-tags": {"latest": "1.0.0"}}, versions=versions)
    here.setup("npm", server.url)
    here.setup("pnpm", server.url)

    done = here.run("pnpm", "add", "--lockfile-only", "--registry", server.url, "keyfob-demo")

    assert "+ keyfob-demo" in done.stdout, done.stdout + done.stderr
    assert set(server.took) == {"at-1-2"}
    assert here.issuer.refreshes == 1


def test_curl_gets_the_token_on_its_standard_input(here: Workplace, server: Guarded) -> None:
    server.pages["/orders"] = as_json(orders=1)
    log_in(here.issuer, here.folder / "keyfob", "other")
    first = here.run("keyfob", "call", "--profile", "default", f"{server.url}/orders")
    assert json.loads(first.stdout) == {"orders": 1}

    config = here.run("keyfob", "helper", "curl", f"{server.url}/orders")
    done = here.run("curl", "--silent", "-K", "-", given=config.stdout)

    assert json.loads(done.stdout) == {"orders": 1}
    assert here.issuer.refreshes == 1
