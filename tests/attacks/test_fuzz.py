"""A small part of `make fuzz`: odd requests to every endpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyfob.protocol.fields import Fields
from keyfob.server.settings.config import Wire
from keyfob.testing.example_tenant import example_config
from keyfob.testing.scene import ISSUER
from tools.fuzz import Target, run


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_no_odd_request_makes_the_tenant_stumble(wire: Wire) -> None:
    """[FS-14] [FS-15] No 500, no hang, no table above its limit."""
    target = Target(replace(example_config(ISSUER, wire), allows_password=True, trusted_proxies=("192.0.2.0/24",)))
    run(target, 1, examples=300)


def test_a_fault_behind_the_first_checks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One reader stumbles over a value that is not ASCII; about 10 of 500 requests bring it one."""
    read = Fields.text

    def stumbling(fields: Fields, name: str) -> str:
        found = read(fields, name)
        if not found.isascii():
            raise ValueError
        return found

    target = Target()
    monkeypatch.setattr(Fields, "text", stumbling)
    with pytest.raises(AssertionError, match="answered with 500"):
        run(target, 1, examples=1500)
