"""Prompts at the keyboard during a login. Every reply is a `Secret`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["address", "username", "password", "factor", "otp", "binding_code", "recovery_code", "number"]


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt.

    Attributes:
        kind: The requested value, for apps.
        words: The prompt's text.
        is_hidden: Whether the reply must not be echoed.
        default: The value for an empty reply; "" if there is none.
    """

    kind: Kind
    words: str
    is_hidden: bool = False
    default: str = ""
