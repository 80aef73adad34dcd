"""For `keyfob doctor --tenant`: how likely a user code is guessed during its lifetime (RFC 8628 §5.1)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from keyfob.client.session.checkup import Finding
from keyfob.errors import KeyfobError
from keyfob.serve import Registry
from keyfob.server.decide.throttle import guess_budget
from keyfob.server.decide.user_code import ALPHABET, CODE_LENGTH

_MAX_ODDS: Final = 2.0**-20  # above one in a million, an attacker with many codes guesses one


def judge_code_guessing(folder: Path) -> Finding:
    """Compare the tenant's `guess_odds` with the recommended maximum."""
    try:
        with Registry.open(folder, database=os.environ.get("KEYFOB_DATABASE", "")) as registry:
            odds = registry.config().guess_odds
    except KeyfobError as problem:
        return Finding.of("tenant", problem)
    budget = guess_budget(odds)
    one_in = len(ALPHABET) ** CODE_LENGTH // budget
    text = f"in a code's life {budget} wrong codes are taken from everybody together, so one in {one_in:,} is guessed"
    if odds > _MAX_ODDS:
        return Finding("tenant", "wrong", text, "Set guess_odds in tenant.toml to 2.4e-10 or less (RFC 8628 §5.1).")
    return Finding("tenant", "ok", text)
