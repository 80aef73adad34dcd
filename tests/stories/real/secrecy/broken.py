"""Programs with a bug at a place of our choice, whose error says everything that anybody there could know."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.stories.real.secrecy.story import Story

# Python runs a module of this name before any program. It waits for the function to end, takes whatever every caller up
# the stack holds, opens what is closed, and raises that, as the worst of bugs would; or kills the process there.
SITE = """
import os, signal, sys, threading

def opened(value, depth=0):
    if isinstance(value, str):
        return [value]
    if isinstance(value, (bytes, bytearray)):
        return [bytes(value).decode("latin-1")]
    if depth > 5 or isinstance(value, (type(sys), type)) or callable(value) and not hasattr(value, "reveal"):
        return []
    if hasattr(value, "reveal"):
        return [value.reveal()]
    if isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, (list, tuple, set, frozenset)):
        inner = list(value)
    else:
        names = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())}
        inner = [*getattr(value, "__dict__", {}).values(), *(getattr(value, name, None) for name in names)]
    return [text for one in inner[:50] for text in opened(one, depth + 1)]

MODULE, _, NAME = os.environ.get("BREAK_AT", "").partition(":")
ON = os.environ.get("BREAK_ON", "return")

def hook(frame, event, _):
    if event != ON or frame.f_code.co_qualname != NAME or frame.f_globals.get("__name__") != MODULE:
        return
    sys.setprofile(None)
    with open(os.environ["BREAK_SEEN"], "a") as seen:
        texts = []
        at = frame
        while at is not None:
            if (at.f_globals.get("__name__") or "").startswith("keyfob"):
                texts += [text for value in list(at.f_locals.values()) for text in opened(value)]
            at = at.f_back
        seen.write("\\n".join(texts) or "nothing")
    if os.environ.get("BREAK_BY") == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError(" ".join(texts)) from ValueError(" ".join(texts))

def watch():
    threading.setprofile(hook)
    sys.setprofile(hook)

class Finder:
    # Watching is slow, so it begins when the module comes.
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == MODULE:
            sys.meta_path.remove(Finder)
            watch()

if MODULE in sys.modules:
    watch()
elif MODULE:
    sys.meta_path.insert(0, Finder)
"""


@contextmanager
def broken(story: Story, at: str, **how: str) -> Generator[Path]:
    """Commands that start meanwhile have a bug at the end of that function.

    Args:
        story: Whose commands.
        at: `module:qualified.name`.
        how: `on` is `call` for its beginning instead, `by` is `kill` for an end by the system.

    Yields:
        What the error said, once it was raised.
    """
    place, seen = (
        story.folder / "broken",
        story.folder / "seen" / at.replace(":", "-").replace("<", "").replace(">", ""),
    )
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    before = dict(story.environment)
    own = {f"BREAK_{name.upper()}": value for name, value in how.items()}
    story.environment |= {"PYTHONPATH": str(place), "BREAK_AT": at, "BREAK_SEEN": str(seen), **own}
    yield seen
    for name in {"PYTHONPATH", "BREAK_AT", "BREAK_SEEN", *own}:
        story.environment.pop(name, None)
        if name in before:
            story.environment[name] = before[name]
