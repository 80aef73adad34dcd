"""The commands of docs/operations.md, one after the other, in a folder of their own."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.stories.real.commands import Commands, commands
from tests.stories.real.proxies import PAGE, free_port

__all__ = ["commands"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("sudo", "docker")  # they change the machine, or need what is not here
SETTINGS = 'issuer = "https://login.example.com/"\ntrusted_proxies = ["127.0.0.1/32"]\n'


class Shell:
    """Types the commands of the page, with free ports for those that the page names."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        self.ports = {"8790": str(free_port()), "9464": str(free_port())}
        self.server: subprocess.Popen[str] | None = None

    def type(self, line: str) -> str:
        for port, free in self.ports.items():
            line = line.replace(port, free)
        name, *words = shlex.split(line)
        if name in {"curl", "install"}:
            words = [word.replace("~/.local/share/keyfob-tenant", str(self.commands.folder / "data")) for word in words]
            return subprocess.run([name, *words], capture_output=True, text=True, check=True, timeout=30).stdout
        assert name == "keyfob", line
        if words[0] == "serve":
            self.stop()
            self.server, _, _ = self.commands.serve(int(self.ports["8790"]), *words[1:])
            return ""
        ran = self.commands.run(*words)
        assert ran.returncode == 0, (line, ran.stderr)
        return ran.stdout

    def stop(self) -> None:
        """End the server as systemd does."""
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            assert self.server.wait(30) == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page uses curl")
def test_the_commands_of_the_page_work(commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shell, file = Shell(commands), tmp_path / "tenant.toml"
    typed = [line for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")) for line in block.splitlines()]
    shown: list[str] = []
    for line in typed:
        if not line.startswith("$ "):
            assert line in shown, line
        elif not line.startswith(ELSEWHERE, 2):
            shown = shell.type(line[2:]).splitlines()
        if line.endswith("tenant init"):
            file.write_text(file.read_text().replace("[tenant]\n", f"[tenant]\n{SETTINGS}", 1))
    with urlopen(f"http://127.0.0.1:{shell.ports['9464']}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    assert 'keyfob_requests_total{endpoint="other",status="404"}' not in metrics
    assert "keyfob_build_info" in metrics
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    shell.stop()


def test_a_port_for_metrics_that_is_taken_stops_the_start(commands: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for host in ("", "127.0.0.1:"):
            place = f"{host}{taken.getsockname()[1]}"
            refused = commands.run("serve", "--port", "0", "--metrics-port", place)
            assert refused.returncode == 2
            assert "cannot serve metrics on 127.0.0.1 port" in refused.stderr
            assert "keyfob help port-taken" in refused.stderr
