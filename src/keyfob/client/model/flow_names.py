"""The names of the login flows, the safest first. A password requires a profile that allows it (RFC 9700 §2.4)."""

from __future__ import annotations

from typing import Final, Literal, get_args

InteractiveFlow = Literal["browser", "device", "paste"]
FlowName = Literal["auto", "browser", "device", "paste", "password"]
INTERACTIVE_FLOWS: Final[tuple[InteractiveFlow, ...]] = get_args(InteractiveFlow)
FLOW_NAMES: Final[tuple[FlowName, ...]] = get_args(FlowName)
_NAMED: Final[dict[str, FlowName]] = {way: way for way in FLOW_NAMES}


def read_flow_name(text: str | None) -> FlowName:
    """Return the flow of that name, or `auto`."""
    return _NAMED.get(text or "", "auto")
