"""Programs with certificates at a tenant of this machine, over real TLS, as docs/tenant.md tells people to type."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from keyfob.client.io.http.connections import sender_of
from keyfob.errors import Malformed, Refused
from keyfob.login import App
from keyfob.protocol.certificate import thumbprint_of
from keyfob.protocol.http import Request
from keyfob.serve import ApiGrant, Application, Running, Tenant, bind, ready_config, tls_files, url_of
from keyfob.server.io.certificates import TlsFiles, read_authorities
from keyfob.server.io.running import Certified
from keyfob.server.settings.config import ForCertificates
from keyfob.server.start import READY_AUDIENCE
from tests.stories.real.test_tls import Shell, said_after, shell
from tests.tls import Made, make, put

__all__ = ["shell"]
PAGE = Path(__file__).parents[3] / "docs" / "tenant.md"
AUTHORITY = make("company", is_authority=True)
MACHINE = ("client_credentials",)
NAMED = Application("named", "Named", "machine", MACHINE, ("tls_client_auth",), certificate_name="subject:CN=robot")
OWN = make("own", is_authority=True)
KEPT = Application(
    "kept", "Kept", "machine", MACHINE, ("self_signed_tls_client_auth",), certificates=(OWN.certificate.decode(),)
)
Served = tuple[Running, TlsFiles, str]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    listener, second, tls = bind("127.0.0.1", 0), bind("127.0.0.1", 0), tls_files(tmp_path / "tenant")
    authorities = put(tmp_path / "company.pem", AUTHORITY.certificate)
    ready = ready_config(url_of(listener, is_tls=True))
    grants = tuple(ApiGrant(program, READY_AUDIENCE, ("read:orders",)) for program in ("named", "kept"))
    place = ForCertificates(url_of(second, is_tls=True), read_authorities(authorities))
    config = replace(ready, applications=(*ready.applications, NAMED, KEPT), grants=grants, for_certificates=place)
    tenant = Tenant.open(tmp_path / "tenant", config)
    running = Running(tenant.app, listener, tls, Certified(second, authorities, tenant.certificates))
    yield running, tls, place.address
    for app in _APPS:  # whoever stays connected is waited for
        sender_of(app.profile).close()
    _APPS.clear()
    running.stop()
    tenant.close()


_APPS: list[App] = []


def app_at(served: Served, folder: Path, client_id: str, shown: Made | None) -> App:
    running, tls, _ = served
    folder.mkdir(exist_ok=True)
    app = App(
        issuer=running.url, client_id=client_id, audience=READY_AUDIENCE, is_machine=True, ca=tls.authority,
        home=folder / "home", certificate=None if shown is None else shown.lay_together(folder),
    )  # fmt: skip
    _APPS.append(app)
    return app


@pytest.mark.parametrize(("client_id", "shown"), [("named", make("robot", AUTHORITY)), ("kept", OWN)])
def test_a_program_gets_a_token_by_its_certificate_and_uses_it_with_that_alone(
    served: Served, tmp_path: Path, client_id: str, shown: Made
) -> None:
    """[AS-8705-01] [AS-8705-02] [C-8705-01]"""
    running, _, mtls = served
    app = app_at(served, tmp_path / "own", client_id, shown)
    stored = app.log_in()
    assert stored.certificate == thumbprint_of(shown.der)
    assert stored.token_endpoint == f"{mtls}oauth/token"
    assert app.session().send(Request("GET", f"{mtls}userinfo")).status == 200
    assert app.session().send(Request("GET", f"{running.url}userinfo")).status == 401


@pytest.mark.parametrize(
    ("client_id", "shown", "code"),
    [
        ("named", make("another", AUTHORITY), "refused"),
        ("named", OWN, "refused"),
        ("named", make("robot", OWN), "refused"),
        ("kept", make("own", AUTHORITY), "refused"),
        ("named", make("robot"), "malformed"),
        ("kept", make("own"), "malformed"),
    ],
)
def test_any_other_certificate_is_refused_by_tls_or_by_the_tenant(
    served: Served, tmp_path: Path, client_id: str, shown: Made, code: str
) -> None:
    """[AS-8705-01]"""
    with pytest.raises((Refused, Malformed)) as raised:
        app_at(served, tmp_path / "own", client_id, shown).log_in()
    assert raised.value.code == code
    assert "certificate" in raised.value.hint


def test_a_lapsed_certificate_is_refused_by_tls(served: Served, tmp_path: Path) -> None:
    """[AS-8705-01]: shown by a program that does not look itself."""
    running, tls, mtls = served
    file = make("robot", AUTHORITY, ends=-timedelta(hours=1)).lay_together(tmp_path)
    context = ssl.create_default_context(cafile=tls.authority)
    context.load_cert_chain(file)
    with pytest.raises((ssl.SSLError, urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(f"{mtls}.well-known/openid-configuration", context=context, timeout=10)
    assert running.url != mtls


def test_who_has_no_certificate_is_answered_there_too_and_a_browser_is_never_asked(served: Served) -> None:
    running, tls, mtls = served
    context = ssl.create_default_context(cafile=tls.authority)
    for base in (running.url, mtls):
        with urllib.request.urlopen(f"{base}.well-known/openid-configuration", context=context, timeout=10) as answer:
            assert json.load(answer)["mtls_endpoint_aliases"]["token_endpoint"] == f"{mtls}oauth/token"


@pytest.mark.skipif(
    os.name != "posix" or shutil.which("openssl") is None, reason="the page is for a shell with openssl"
)
def test_what_the_page_tells_a_person_to_type_works(shell: Shell) -> None:
    """[AS-8705-01] [C-8705-01]"""
    section = PAGE.read_text(encoding="utf-8").partition("## Programs with certificates")[2]
    serve, *lines = re.findall(r"^\$ (.*)$", section.partition("```console\n")[2].partition("```")[0], re.MULTILINE)
    shell.exports.append("cd ~")
    _, said = shell.serve(f"{serve.replace('8791', '0')} --port 0")
    issuer, mtls = said_after("issuer", said), said_after("mtls", said)
    for line in lines:
        if line.startswith("export"):
            shell.exports.append(line)
        else:
            command = line.replace("https://127.0.0.1:8790/", issuer)
            # What was registered just now counts within two seconds, and a command takes a part of one.
            tries = (shell.start(command) for _ in range(10 if "login" in command else 1))
            heard = next(out for one in tries for out in one.communicate(timeout=60)[:1] if one.returncode == 0)
    assert "certificate" in heard
    assert "x5t#S256" in heard
    assert shell.run(f"keyfob call --profile robot --send-token {mtls}userinfo") == "{}"
    handed = shell.run("keyfob run --profile robot -- printenv KEYFOB_ACCESS_TOKEN")
    assert "with this login's client certificate" in handed
    printed = shell.run("keyfob token --profile robot 2>/dev/null").strip()
    refused = shell.start(f"keyfob call --profile robot --send-token {issuer}userinfo")
    refused.communicate(timeout=60)
    assert refused.returncode == 3
    assert printed.count(".") == 2
    assert printed in handed
