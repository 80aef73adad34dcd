"""The pages fit the site that `make docs-site` builds: each has a place, and its links lead somewhere."""

import tomllib
from pathlib import Path

import pytest

from tools import site
from tools.source import ROOT

NAV = tomllib.loads(site.CONFIG.read_text(encoding="utf-8"))["project"]["nav"]


def relinked(text: str, page: str = "docs/login.md", repository: str = "") -> str:
    files = site.sources()
    places = {path: place for place, path in files.items()}
    return site.relinked(text, ROOT / page, places[ROOT / page], places, repository)


def test_every_page_has_one_place_in_the_navigation() -> None:
    pages = [place for place in site.sources() if place.endswith(".md")]

    assert sorted(site.names(site.expanded(NAV, pages))) == sorted(pages)


def test_a_new_page_appears_where_the_asterisk_of_its_folder_is() -> None:
    nav: site.Nav = [{"First": ["one.md"]}, {"Rest": ["*", {"Deep": ["deep/*"]}]}]

    assert site.expanded(nav, ["one.md", "two.md", "deep/three.md"]) == [
        {"First": ["one.md"]},
        {"Rest": ["two.md", {"Deep": ["deep/three.md"]}]},
    ]


def test_a_link_to_a_page_follows_it_to_its_place_on_the_site() -> None:
    assert relinked("[a](../SECURITY.md#limits)") == "[a](SECURITY.md#limits)"
    assert relinked("[a](docs/login.md)", "README.md") == "[a](login.md)"
    assert relinked("![a](docs/login.png)", "README.md") == "![a](login.png)"
    assert relinked("[a](../login.md)", "docs/decisions/0018-vault.md") == "[a](../login.md)"
    assert relinked("[a](../README.md)") == "[a](index.md)"


def test_a_link_to_another_file_leads_to_the_repository_or_is_text() -> None:
    assert relinked("[`wire.py`](../src/keyfob/server/wire.py)") == "`wire.py`"
    assert relinked("[a](../deploy)", repository="https://code.example/k") == (
        "[a](https://code.example/k/blob/main/deploy)"
    )


def test_a_link_to_no_file_fails() -> None:
    with pytest.raises(SystemExit, match=r"docs/login\.md: no such file: nowhere\.md"):
        relinked("[a](nowhere.md)")


def test_a_link_in_code_or_to_elsewhere_stays() -> None:
    text = "[a](https://other.example/) [b](#here)\n```toml\nx = [a](nowhere.md)\n```\n"

    assert relinked(text) == text


def test_what_a_browser_would_fetch_from_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="https://fine.example/">x</a><script src=https://bad.example/x.js></script>'
        '<link href="https://bad.example/y.css" rel="stylesheet"><link rel="canonical" href="https://fine.example/">'
    )
    (tmp_path / "a.css").write_text("@font-face { src: url(https://bad.example/z.woff2) }")

    assert site.fetched(tmp_path) == [
        "a.css: https://bad.example/z.woff2",
        "a.html: https://bad.example/x.js",
        "a.html: https://bad.example/y.css",
    ]
