"""The pages can be read in every colour that a tenant may have, light and dark (WCAG 2.2 §1.4.3, §1.4.11)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.server.decide.contrast import CONTROL, TEXT, contrast, text_on, visible_on
from keyfob.server.io.render import DARK_CARD, LIGHT_CARD, style

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
SEEN_FAULTS = ["#e4572e", "#ffd23f", "#2454a6", "#000000", "#ffffff", "#777777"]


def values_of(colour: str) -> dict[str, tuple[str, str]]:
    """The variables of the style sheet, for light and for dark."""
    sheet = style(colour).decode()
    pairs = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", sheet)
    plain = re.findall(r"--([a-z-]+): (#[0-9a-fA-F]{6});", sheet)
    return {name: (light, dark) for name, light, dark in pairs} | {name: (one, one) for name, one in plain}


@given(COLOURS)
def test_text_on_any_colour_can_be_read(colour: str) -> None:
    """[FP-04]."""
    assert contrast(text_on(colour), colour) >= TEXT


@given(COLOURS, st.sampled_from([LIGHT_CARD, DARK_CARD]))
def test_an_edge_in_any_colour_can_be_seen(colour: str, ground: str) -> None:
    """[FP-04]: and a colour that can be seen stays as it is."""
    found = visible_on(colour, ground)
    assert contrast(found, ground) >= CONTROL
    assert found == colour or contrast(colour, ground) < CONTROL


@pytest.mark.parametrize("colour", SEEN_FAULTS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_style_sheet_has_no_pair_that_is_hard_to_see(colour: str, *, dark: bool) -> None:
    """[FP-04]: buttons, edges of fields, focus, quiet and warning texts."""
    values = {name: pair[dark] for name, pair in values_of(colour).items()}
    for text, ground in (
        ("on-accent", "accent"), ("text", "card"), ("text", "ground"), ("quiet", "card"), ("quiet", "ground"),
        ("bad", "card"), ("text", "warn"),
    ):  # fmt: skip
        assert contrast(values[text], values[ground]) >= TEXT, (text, ground)
    for edge in ("edge", "field", "quiet"):
        assert contrast(values[edge], values["card"]) >= CONTROL, edge
    sheet = style(colour).decode()
    assert "outline: 3px solid var(--edge)" in sheet
    assert "opacity: .55" not in sheet
    assert values["card"] == (DARK_CARD if dark else LIGHT_CARD)
