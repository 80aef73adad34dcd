"""The tenant's own logo, colours and links, and the icons of apps."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from keyfob.cli.tenant.folder import load
from keyfob.errors import Misuse
from keyfob.protocol.http import Request
from keyfob.serve import ready_config
from keyfob.server.settings.pictures import LARGEST_BYTES, read_image, write_image
from keyfob.server.settings.tenant_file import TenantFile
from keyfob.testing.scene import ISSUER, Scene

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
def branded() -> Scene:
    ready = ready_config(ISSUER)
    app = replace(ready.applications[0], name="Northwind CLI", icon=write_image(PNG), maker="Northwind")
    return Scene(
        replace(
            ready, name="Example", applications=(app,), logo=write_image(SVG), logo_dark=write_image(PNG),
            favicon=write_image(PNG), support="mailto:help@example.com", terms="https://example.com/terms",
        )
    )  # fmt: skip


def addresses_in(scene: Scene, path: str) -> list[str]:
    html = scene.send(Request("GET", f"{ISSUER}{path}")).body.decode().replace("&amp;", "&")
    return [part.partition('"')[0] for part in html.split('"/assets/image')[1:]]


def test_pictures_are_served_by_the_tenant_and_run_no_script(branded: Scene) -> None:
    """[AS-ASVS-11]: a logo in SVG may have a script, which does not run even if the picture is opened by itself."""
    addresses = addresses_in(branded, "activate")
    assert len(addresses) == 3
    for query in addresses:
        answer = branded.send(Request("GET", f"{ISSUER}assets/image{query}"))
        assert answer.status == 200
        assert answer.body in {PNG, SVG}
        assert answer.header("x-content-type-options") == "nosniff"
        assert "sandbox" in (answer.header("content-security-policy") or "")
        assert "max-age" in (answer.header("cache-control") or "")


def test_the_app_has_its_icon_and_its_maker(branded: Scene) -> None:
    """[AS-8628-12]."""
    body = branded.post("oauth/device/code", client_id="keyfob-cli").body.decode()
    code = body.partition('"user_code":"')[2][:9]
    page = branded.person().open(f"{ISSUER}activate?user_code={code}")
    assert "Northwind CLI wants to sign in By Northwind, an app of Example" in page.text
    [icon] = [one for one in addresses_in(branded, f"activate?user_code={code}") if "name=app" in one]
    assert branded.send(Request("GET", f"{ISSUER}assets/image{icon}")).body == PNG


@pytest.mark.parametrize("query", ["", "?name=issuer", "?name=app&app=nobody", "?name=logo&name=logo", "?app=%00"])
def test_what_is_no_picture_is_not_served(branded: Scene, query: str) -> None:
    assert branded.send(Request("GET", f"{ISSUER}assets/image{query}")).status == 404


def test_an_app_that_is_not_the_operators_says_so() -> None:
    ready = ready_config(ISSUER)
    for maker, shown in (("Acme", "By Acme, not by Example"), (None, "Not an app of Example")):
        foreign = replace(ready.applications[0], is_first_party=False, maker=maker)
        scene = Scene(replace(ready, name="Example", applications=(foreign,)))
        body = scene.post("oauth/device/code", client_id="keyfob-cli").body.decode()
        code = body.partition('"user_code":"')[2][:9]
        assert shown in scene.person().open(f"{ISSUER}activate?user_code={code}").text


def test_the_foot_has_the_links_of_the_settings(branded: Scene) -> None:
    html = branded.send(Request("GET", f"{ISSUER}activate")).body.decode()
    assert 'href="mailto:help@example.com"' in html
    assert 'href="https://example.com/terms"' in html
    assert "Privacy" not in html


def written(folder: Path, settings: str, **files: bytes) -> TenantFile:
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    path = folder / "tenant.toml"
    path.write_text(settings, encoding="utf-8")
    return load(path)


def test_a_picture_file_is_named_in_the_settings(tmp_path: Path) -> None:
    app = '[[applications]]\nclient_id = "cli"\nname = "CLI"\nicon = "icon.png"\n'
    found = written(tmp_path, f'[tenant]\nlogo = "logo.svg"\n{app}', logo_svg=SVG, icon_png=PNG)
    assert read_image(found.config.logo) == ("image/svg+xml", SVG)
    assert read_image(found.config.applications[0].icon) == ("image/png", PNG)


@pytest.mark.parametrize(
    ("value", "content", "message"),
    [
        ("missing.png", b"", "cannot be read"),
        ("logo.png", b"no picture", "not a picture"),
        ("logo.png", b"", "not a picture"),
        ("logo.png", PNG + bytes(LARGEST_BYTES), "more than 48 kB"),
        ("logo\\u0000.png", b"", "cannot be read"),
        ("javascript:alert(1)", b"", "cannot be read"),
        ("data:text/html;base64,AAAA", b"", "neither a picture"),
        ("ftp://example.com/logo", b"", "neither a picture"),
    ],
)
def test_a_picture_that_will_not_do_is_told_with_its_line(
    tmp_path: Path, value: str, content: bytes, message: str
) -> None:
    with pytest.raises(Misuse, match=message) as told:
        written(tmp_path, f'[tenant]\nname = "x"\nlogo = "{value}"\n', logo_png=content)
    assert "tenant.toml:3" in told.value.message


@pytest.mark.parametrize("name", ["support", "privacy", "terms"])
def test_a_link_at_the_foot_is_an_address(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misuse, match=name):
        written(tmp_path, f'[tenant]\n{name} = "javascript:alert(1)"\n')
