"""Choose colours by contrast (WCAG 2.2 §1.4.3, §1.4.11): for text on the tenant's colour, and for visible edges."""

from __future__ import annotations

from typing import Final

TEXT: Final = 4.5
CONTROL: Final = 3.0
_STEPS: Final = 50


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours `#rrggbb`, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def text_on(ground: str) -> str:
    """Return white or black, whichever has the higher contrast to `ground`. This contrast is always above 4.5."""
    return max(("#ffffff", "#000000"), key=lambda text: contrast(text, ground))


def visible_on(colour: str, ground: str, least: float = CONTROL) -> str:
    """Return the colour, made darker or lighter until its contrast to `ground` is at least `least`."""
    goal = text_on(ground)
    mixed = (_mix(colour, goal, step / _STEPS) for step in range(_STEPS + 1))
    return next(one for one in mixed if contrast(one, ground) >= least)


def _mix(colour: str, goal: str, share: float) -> str:
    pairs = zip(_channels(colour), _channels(goal), strict=True)
    return "#" + "".join(f"{round(one + (other - one) * share):02x}" for one, other in pairs)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def _luminance(colour: str) -> float:
    linear = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in _channels(colour))
    )
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
