"""A login for your command-line program: commands for argparse, Click, Typer or cyclopts, in one line.

from keyfob.embed import CliApp

app = CliApp(name="orders", issuer="https://login.example.com/", client_id="orders-cli", scopes="read:orders")
app.mount(cli)                              # adds login, logout, whoami, status, token and switch to your program
@app.requires_login("read:orders")          # for a command that needs a login: offers one at a terminal
app.session().http().get(...)               # as in keyfob.login
"""

from __future__ import annotations

from keyfob.embed.cli_app import CliApp

__all__ = ["CliApp"]
