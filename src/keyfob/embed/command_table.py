"""The commands that a program gets, in one table for all frameworks. Importing it costs nothing."""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """One option of a command, or its argument.

    Attributes:
        metavar: What stands for the value in the help; "" for a switch.
        choices: The possible values; () for any.
    """

    name: str
    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    is_argument: bool = False

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return f"--{self.name.replace('_', '-')}"


class LoginCommand(NamedTuple):
    """One command; `keyfob.embed.login_actions` has a function of the same name."""

    name: str
    help: str
    options: tuple[Option, ...]


_PROFILE = Option("profile", "Which of your logins, such as work; the one in use by default.", "NAME")
_JSON = Option("json", "For programs: one JSON object.")
COMMANDS = (
    LoginCommand(
        "login",
        "Log in, in a browser or with a code on any device.",
        (
            Option("flow", "How to log in.", "FLOW", ("auto", "browser", "device", "paste")),
            Option("scope", "What the login must allow in addition, separated by spaces.", "SCOPE"),
            Option("profile", "Log in under this name, and use that login from now on.", "NAME"),
        ),
    ),
    LoginCommand("logout", "Log out: end the login at the server, and forget it here.", (_PROFILE,)),
    LoginCommand("whoami", "Show who is logged in.", (_PROFILE, _JSON)),
    LoginCommand("status", "Show how the login stands, and until when. Asks nobody.", (_PROFILE, _JSON)),
    LoginCommand("token", "Print a valid access token, renewed if necessary.", (_PROFILE,)),
    LoginCommand(
        "switch",
        "Use another of your logins from now on.",
        (Option("profile", "Its name; without one, you are asked.", "NAME", is_argument=True),),
    ),
)
