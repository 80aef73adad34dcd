"""Choose the language of the pages and e-mails (RFC 9110 §12.5.4, OpenID Connect Core §3.1.2.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, get_args

Language = Literal["en", "de"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)  # the first is the default
_LONGEST: Final = 1000


def accepted_language(header: str) -> Language:
    """Return the supported language that an `Accept-Language` header prefers, or the default language."""
    found: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:_LONGEST].split(",")):
        tag, *parameters = part.split(";")
        weight = next((text.strip()[2:] for text in parameters if text.strip().lower().startswith("q=")), "1")
        try:
            found.append((-float(weight), place, tag))
        except ValueError:
            continue
    return wanted_language(tag for weight, _, tag in sorted(found) if weight < 0) or LANGUAGES[0]


def wanted_language(tags: Iterable[str]) -> Language | None:
    """Return the language of the first tag, such as `de-AT` (BCP 47), that names a supported one; None if none does."""
    for tag in tags:
        primary = tag.strip().lower().partition("-")[0]
        for language in LANGUAGES:
            if primary == language:
                return language
    return None
