"""A text file with the origins for which each tool may get a token: one line for each tool and origin.

`keyfob setup` writes the lines. For a fast start, this module imports no more modules than `quick.py`.
"""

from keyfob.io import quick

NAME = "tools"
KIND = "keyfob-tools "
MARK = f"{KIND}1"
_MEMBERS = 5


class Bound:
    """One line of the file: the permission for a tool to get the token of one login for one origin.

    Attributes:
        login: The hash of the login's profile, issuer, client and API. If one of these changes, the line is invalid.
        seen: The state of the profile's settings file when `login` was last compared with it; "-" if never compared.
    """

    __slots__ = ("login", "origin", "profile", "seen", "tool")

    def __init__(self, tool: str, origin: str, profile: str, login: str, seen: str = "-") -> None:
        self.tool = tool
        self.origin = origin
        self.profile = profile
        self.login = login
        self.seen = seen

    @property
    def name(self) -> tuple[str, str, str]:
        """Tool, origin and profile, which identify a line. A new line replaces the old line with the same three."""
        return self.tool, self.origin, self.profile


def read(content: bytes) -> list[Bound]:
    """Parse the file. A damaged line and a file of a later version are ignored."""
    mark, *lines = content.decode("ascii", "replace").split("\n")
    if mark != MARK:
        return []
    return [Bound(*words) for words in (line.split(" ") for line in lines) if len(words) == _MEMBERS]


def write(lines: list[Bound]) -> bytes:
    texts = [" ".join((*line.name, line.login, line.seen)) for line in lines]
    return "\n".join((MARK, *texts, "")).encode("ascii")


def state_of(home: str, profile: str) -> str:
    """Return a value that changes when the profile's settings file is replaced; "-" if there is no such file."""
    try:
        return quick.seen(f"{home}/profiles/{profile}.json")
    except OSError:
        return "-"


def find(tool: str, origin: str, profile: str) -> str:
    """Return the profile whose token the tool may get for an origin; "" if the full command must decide.

    Args:
        tool: The tool's name.
        origin: The origin, as `origin_of` returns it.
        profile: The profile that the tool names; "" selects the only bound profile.

    Raises:
        OSError: There is no such file, or other users may read the file.
    """
    home = quick.place("")[1]
    lines = read(quick.read(f"{home}/{NAME}"))
    found = [line for line in lines if line.tool == tool and line.origin == origin and profile in {"", line.profile}]
    if len(found) != 1 or found[0].seen == "-" or found[0].seen != state_of(home, found[0].profile):
        return ""
    return found[0].profile
