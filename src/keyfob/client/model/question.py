"""What a person is asked at the keyboard while a login runs. The answer is a Secret, whatever it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["address", "username", "password", "factor", "otp", "binding_code", "recovery_code"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        kind: What is asked for, for programs.
        words: The same for a person.
        is_hidden: Whether the answer must not be seen.
        default: What may be offered, and given back for an empty answer; "" where there is nothing to offer.
    """

    kind: Kind
    words: str
    is_hidden: bool = False
    default: str = ""
