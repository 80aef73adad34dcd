"""The numbered migrations of the schema: one text for SQLite and PostgreSQL.

They are written in the words of SQLite. A step that was released never changes; a new one gets the next number.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

from keyfob.errors import Misuse

# Text is sorted and put in lower case as in SQLite, whatever the language of the database. Rows that are updated in
# place need free space on their page, or every index gets a new entry.
_POSTGRESQL: Final = {
    "BLOB": "BYTEA",
    "INTEGER": "BIGINT",
    "REAL": "DOUBLE PRECISION",
    "TEXT": 'TEXT COLLATE "C"',
    "COLLATE NOCASE": "",
    "WITHOUT ROWID": "WITH (fillfactor = 80)",
}
_WORDS: Final = re.compile(rf"\b({'|'.join(_POSTGRESQL)})\b")


def missing_steps(version: int) -> list[tuple[int, list[str]]]:
    """Return the number and the statements of each step that a database with that version needs.

    Raises:
        Misuse: A newer keyfob made the database.
    """
    folder = files("keyfob.server.io").joinpath("schema")
    steps = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    if version > len(steps):
        raise Misuse(
            "the store was made by a newer keyfob", code="store-newer", hint="Use that version, or another store."
        )
    numbered = list(enumerate(steps, start=1))[version:]
    return [(number, _statements(step.read_text(encoding="utf-8"))) for number, step in numbered]


def in_postgresql(statement: str) -> str:
    """Return a statement of a step in the words of PostgreSQL."""
    return _WORDS.sub(lambda found: _POSTGRESQL[found[1]], statement)


def _statements(script: str) -> list[str]:
    plain = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    return [part for part in plain.split(";") if part.strip()]
