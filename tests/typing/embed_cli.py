"""What type checkers see of `keyfob.embed`: this file is checked, and not run."""

from pathlib import Path
from typing import assert_type

import click

from keyfob.embed import CliApp
from keyfob.login import App, Session

login = CliApp(name="orders", issuer="https://a.example/", client_id="cli", scopes="read:orders", flow="device")
shipped = CliApp.from_toml(Path("login.toml"))
assert_type(login.app, App)
assert_type(shipped.session(), Session)
wrong = CliApp(issuer="https://a.example/", client_id="cli", no_such=1)  # type: ignore[call-arg]


@login.requires_login("read:orders", "write:orders")
def place(item: str, *, count: int = 1) -> bool:
    return bool(item) and count > 0


assert_type(place("padlock", count=2), bool)
place(3)  # type: ignore[arg-type]
login.mount(click.Group("orders"))
