"""The login commands of `keyfob.embed`, in one table for all frameworks. Importing this module is cheap."""

from __future__ import annotations

from keyfob.lazy import LazyModule

TYPE_CHECKING = False  # as in `keyfob.lazy`
if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob import errors
else:
    errors = LazyModule("keyfob.errors")

INTERRUPTED = 130  # the exit code after Ctrl-C, as in shells


class Option:
    """An option or the positional argument of a command.

    Attributes:
        metavar: The placeholder of the value in the help; "" for an option without a value.
        choices: The possible values; () for any value.
    """

    def __init__(
        self, name: str, text: str, metavar: str = "", choices: tuple[str, ...] = (), *, is_argument: bool = False
    ) -> None:
        self.name = name
        self.help = text
        self.metavar = metavar
        self.choices = choices
        self.is_argument = is_argument

    @property
    def flag(self) -> str:
        """The option as users type it, such as `--flow`."""
        return f"--{self.name.replace('_', '-')}"


class LoginCommand:
    """One command; `keyfob.embed.login_actions` has a function of the same name."""

    def __init__(self, name: str, text: str, options: tuple[Option, ...]) -> None:
        self.name = name
        self.help = text
        self.options = options


_PROFILE = Option("profile", "The login to use, such as work; by default the current one.", "NAME")
_JSON = Option("json", "For programs: one JSON object.")
COMMANDS = (
    LoginCommand(
        "login",
        "Log in, in a browser or with a code on any device.",
        (
            Option("flow", "How to log in.", "FLOW", ("auto", "browser", "device", "paste")),
            Option("scope", "Scopes to request in addition, separated by spaces.", "SCOPE"),
            Option("profile", "A name for this login, which is used from now on.", "NAME"),
        ),
    ),
    LoginCommand("logout", "Log out: end the login at the server, and delete it here.", (_PROFILE,)),
    LoginCommand("whoami", "Show who is logged in.", (_PROFILE, _JSON)),
    LoginCommand("status", "Show whether the login is valid, and until when, without a request.", (_PROFILE, _JSON)),
    LoginCommand("token", "Print a valid access token, refreshed if needed.", (_PROFILE,)),
    LoginCommand(
        "switch",
        "Use another of your logins from now on.",
        (Option("profile", "Its name; without it, you are asked.", "NAME", is_argument=True),),
    ),
)


def check_names(taken: Iterable[str]) -> None:
    """Raise `Misuse` if a login command's name is in `taken`, the names of the program's commands.

    A command of the program is never replaced.
    """
    both = sorted({command.name for command in COMMANDS}.intersection(taken))
    if both:
        hint = "Mount the commands in a separate group, and set App(login_command=...)."
        raise errors.Misuse(f"the program already has these commands: {', '.join(both)}", hint=hint)
