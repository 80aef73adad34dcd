"""Reply to a tool with the token that is cached in the quick file, without slow imports.

Git calls its helper at every fetch, so this module must be fast. `cli/commands/helper.py` handles unusual cases.
"""

from __future__ import annotations

import os
import sys

from keyfob.cli.tools.exchange import HelperCall, HelperReply, read_stdin
from keyfob.cli.tools.protocols import OPTIONS, PROTOCOLS, protocol_of
from keyfob.io import bound_origins, quick

_PORTS = {"http": "80", "https": "443"}
_AGENT = "KEYFOB_AGENT"  # if set, the logins are those of `keyfob agent`, not those in the quick file
_INTERRUPTED = 130
_LOOPBACK = ("localhost", "127.0.0.1")


def main(words: list[str]) -> int:
    """Print the reply and return the exit code. Return -1 if `cli/commands/helper.py` must reply."""
    try:
        reply = _reply(words)
    except Exception:  # noqa: BLE001  the ordinary path explains the error; to import its class takes 5 ms
        reply = None
    except KeyboardInterrupt:  # such as Ctrl-C at a terminal while the input is read
        return _INTERRUPTED
    if reply is None or sys.stdout is None:
        return -1
    return quick.put(reply.text) or reply.code


def _reply(words: list[str]) -> HelperReply | None:
    parsed = _parse(words)
    if parsed is None or os.environ.get(_AGENT):
        return None
    tool, profile, options, rest = parsed
    protocol = protocol_of(tool)
    given = read_stdin() if protocol.reads_stdin else b""
    wanted = protocol.read(HelperCall(rest, given, os.environ, options))
    if isinstance(wanted, HelperReply):
        return wanted
    origin = plain_origin(wanted.url)
    if wanted.refused is not None or wanted.exchange is not None or not origin:
        return None
    profile = bound_origins.find(tool, origin, profile)
    found = quick.valid_token(profile) if profile else None
    if found is None:
        return None
    token, until = found
    return protocol.answer(wanted, token, None if until == "-" else int(until))


def _parse(words: list[str]) -> tuple[str, str, dict[str, str], list[str]] | None:
    """Return the helper, the profile, the helper's flags and the other arguments. Return None for unusual arguments."""
    if len(words) < 2 or words[0] != "helper" or words[1] not in PROTOCOLS or words[1] == "aws":
        return None
    options: dict[str, str] = {}
    rest: list[str] = []
    left = words[2:]
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            rest.append(word)
            continue
        name = word.removeprefix("--").replace("-", "_")
        if name not in {"profile", *OPTIONS.get(words[1], ())} or not left or left[0].startswith("-"):
            return None
        options[name] = left.pop(0)
    return words[1], options.pop("profile", "") or os.environ.get("KEYFOB_PROFILE") or "", options, rest


def plain_origin(url: str) -> str:
    """Return the origin of a URL, as `origin_of` does; "" for an unusual or unsafe URL."""
    scheme, _, rest = url.partition("://")
    host, colon, port = rest.partition("/")[0].lower().partition(":")
    if scheme not in _PORTS or not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
        return ""
    if not host.replace(".", "").replace("-", "").isalnum() or (scheme == "http" and host not in _LOOPBACK):
        return ""
    if colon and not (port.isdigit() and len(port) <= 5 and port == str(int(port)) and int(port) <= 65535):
        return ""
    return f"{scheme}://{host}:{port or _PORTS[scheme]}"
