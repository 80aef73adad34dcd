"""Places of addresses, from a MaxMind DB file that is written here."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from keyfob.cli.tenant.checks import judge_tenant
from keyfob.errors import Misuse
from keyfob.protocol.fields import read_json
from keyfob.serve import Registry, ready_config
from keyfob.server.io.places import place_of
from keyfob.server.settings.tenant_file import TenantFile, any_secret, read_tenant_file
from keyfob.server.start import READY_CLIENT_ID
from keyfob.testing.scene import ISSUER, Scene

pytest.importorskip("maxminddb", reason='needs the extra: pip install "keyfob[places]"')

_TREE_BITS = 24  # of the one network
_KINDS = {
    "node_count": ">I", "record_size": ">H", "ip_version": ">H", "binary_format_major_version": ">H",
    "binary_format_minor_version": ">H", "build_epoch": ">Q",
}  # fmt: skip
ODD: tuple[object, ...] = ({}, {"city": "Minsk"}, {"city": {"names": ["x"]}}, {"city": {"names": []}}, "x")


def field(value: object, name: str = "") -> bytes:
    """Return a value of the data section (MaxMind DB 2.0)."""
    match value:
        case str():
            raw = value.encode()
            return bytes([2 << 5 | len(raw)]) + raw
        case int():  # the library wants each member of the metadata in its own width
            kind = _KINDS[name]
            head = bytes([5 << 5 | 2]) if kind == ">H" else bytes([6 << 5 | 4]) if kind == ">I" else bytes([8, 9 - 7])
            return head + struct.pack(kind, value)
        case list():
            return bytes([len(value), 11 - 7]) + b"".join(map(field, value))
        case dict():
            return bytes([7 << 5 | len(value)]) + b"".join(field(key) + field(part, key) for key, part in value.items())
        case _:
            raise TypeError


def write_places(path: Path, network: bytes, record: object) -> None:
    """Write a file that knows one /24."""
    bits = "".join(f"{byte:08b}" for byte in network)
    nodes = b""
    for at, bit in enumerate(bits):
        onward = at + 1 if at + 1 < _TREE_BITS else _TREE_BITS + 16
        left, right = (onward, _TREE_BITS) if bit == "0" else (_TREE_BITS, onward)
        nodes += left.to_bytes(3) + right.to_bytes(3)
    metadata = {
        "node_count": _TREE_BITS, "record_size": 24, "ip_version": 4, "database_type": "City", "languages": ["en"],
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1_767_225_600,
        "description": {"en": "test"},
    }  # fmt: skip
    path.write_bytes(nodes + bytes(16) + field(record) + b"\xab\xcd\xefMaxMind.com" + field(metadata))


@pytest.fixture
def places(tmp_path: Path) -> Path:
    path = tmp_path / "places.mmdb"
    record = {"city": {"names": {"en": "Minsk", "de": "Minsk"}}, "country": {"names": {"en": "Belarus"}}}
    write_places(path, b"\xc6\x33\x64", record)
    return path


def test_a_known_address_has_its_city_and_country(places: Path) -> None:
    assert place_of(str(places), "198.51.100.66") == "Minsk, Belarus"


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::1", "nonsense", ""])
def test_an_address_that_the_file_does_not_know_has_no_place(places: Path, address: str) -> None:
    assert place_of(str(places), address) == ""


@pytest.mark.parametrize("record", ODD)
def test_a_record_of_any_other_form_has_no_place(tmp_path: Path, record: object) -> None:
    write_places(tmp_path / "odd.mmdb", b"\xc6\x33\x64", record)
    assert place_of(str(tmp_path / "odd.mmdb"), "198.51.100.66") == ""


def test_a_file_that_cannot_be_read_is_logged_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"this is no database")
    assert place_of(str(broken), "198.51.100.66") == ""
    assert place_of(str(tmp_path / "none.mmdb"), "198.51.100.66") == ""
    assert len([line for line in caplog.messages if "no places are shown" in line]) == 2


def test_a_file_that_was_replaced_is_read_again(places: Path) -> None:
    assert place_of(str(places), "198.51.100.66") == "Minsk, Belarus"
    fresh = places.with_name("fresh.mmdb")
    write_places(fresh, b"\xc6\x33\x64", {"country": {"names": {"en": "Iceland"}}})
    os.utime(fresh, ns=(1, 1))
    fresh.replace(places)
    assert place_of(str(places), "198.51.100.66") == "Iceland"


def test_the_page_and_the_mail_name_the_place(places: Path) -> None:
    """[AS-8628-13]."""
    scene = Scene(replace(ready_config(ISSUER), name="Example", places=str(places)))
    asked = {"client_id": READY_CLIENT_ID, "scope": "openid"}
    codes = read_json(scene.post("oauth/device/code", peer="198.51.100.66", **asked).body, "codes")
    page = scene.person().open(codes.text("verification_uri_complete"))
    assert "(198.51.100.66, Minsk, Belarus)" in page.text


def test_doctor_says_whether_the_file_can_be_read(places: Path, tmp_path: Path) -> None:
    for path, verdict in ((places, "ok"), (tmp_path / "none.mmdb", "wrong"), (Path(__file__), "wrong")):
        with Registry.open(tmp_path / f"tenant-{path.stem}", creates=True) as registry:
            text = f'[tenant]\nplaces = "{path}"\n'
            found = read_tenant_file(text, issuer=ISSUER, resolve=any_secret)
            assert isinstance(found, TenantFile)
            registry.carry_out(registry.plan_file(found))
        found = judge_tenant(tmp_path / f"tenant-{path.stem}")
        assert [one.verdict for one in found if one.what == "places"] == [verdict]


def test_a_relative_path_is_refused() -> None:
    """It would be another file in another folder."""
    with pytest.raises(Misuse, match="places"):
        replace(ready_config(ISSUER), places="places.mmdb")
