"""The checks of `keyfob doctor --tenant`: the odds of guessing a user code, and the geolocation file `places`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from keyfob.client.session.checkup import Finding
from keyfob.errors import KeyfobError
from keyfob.serve import Registry
from keyfob.server.decide.throttle import CODES, GuessLimit
from keyfob.server.io.clock import SystemSurroundings
from keyfob.server.io.places import open_places
from keyfob.server.settings.field_types import write_span

_MAX_ODDS: Final = 2.0**-20  # one in a million; with higher odds, repeated attacks would succeed


def judge_tenant(folder: Path) -> Iterator[Finding]:
    """Compare `guess_odds` with the recommended maximum (RFC 8628 §5.1), and open the file that `places` names."""
    try:
        with Registry.open(folder, database=os.environ.get("KEYFOB_DATABASE", "")) as registry:
            config = registry.config()
            limit = GuessLimit.of(config.guess_odds, config.device_lifetime)
            live = registry.live_codes(SystemSurroundings().now(), limit.most_live + 1)
    except KeyfobError as problem:
        yield Finding.of("tenant", problem)
        return
    yield _judge_odds(config.guess_odds, limit, live)
    if config.places is not None:
        yield _judge_places(config.places)


def _judge_odds(odds: float, limit: GuessLimit, live: int) -> Finding:
    text = f"callers without a login guess one of the codes in use with odds of 1 in {1 / odds:,.0f} at most, in any "
    text += f"{write_span(limit.lifetime)}; {_now(limit, live)}"
    if odds > _MAX_ODDS:
        return Finding("tenant", "wrong", text, "Set guess_odds in tenant.toml to 2.4e-10 or less (RFC 8628 §5.1).")
    return Finding("tenant", "ok", text)


def _now(limit: GuessLimit, live: int) -> str:
    """Return a sentence on how many wrong codes all users together may type at once, while `live` codes are in use."""
    if live > limit.most_live:
        return f"more than {limit.most_live} codes are in use, so people log in before they type theirs"
    taken, are = limit.size // limit.cost(live), "1 code is" if live == 1 else f"{live or 'no'} codes are"
    one_in = CODES // (taken * limit.cost(live))
    return f"{are} in use, so {taken} wrong codes are taken at once from everybody together (1 in {one_in:,})"


def _judge_places(path: str) -> Finding:
    """Check that the file with the cities and countries of IP addresses can be read."""
    try:
        open_places(path)
    except ImportError:
        return Finding("places", "wrong", "`places` is set, but the library for it is not installed",
                      'Run: pip install "keyfob[places]"')  # fmt: skip
    except OSError as problem:
        return Finding(
            "places", "wrong", f"{path} cannot be read: {problem.strerror}", "Correct places in tenant.toml."
        )
    except RuntimeError:
        return Finding("places", "wrong", f"{path} is not a MaxMind DB file", "Download it again.")
    return Finding("places", "ok", f"the page of a device login shows places from {path}")
