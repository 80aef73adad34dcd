"""Metrics: what is counted, with labels that no caller chooses, and the table of docs/operations.md."""

from __future__ import annotations

import asyncio
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import get_args
from urllib.parse import urlencode

import pytest
from prometheus_client import generate_latest

from keyfob.cli.flags import port_and_host
from keyfob.protocol.http import Request, form_request
from keyfob.server.io.audit import AuditQueue, FileSink
from keyfob.server.io.metrics import PrometheusMeter
from keyfob.server.ports import Limit
from keyfob.testing.example_tenant import ORDERS
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.server.wires import body_of, scene_of, token
from tools import tables
from tools.source import ROOT

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def measured(**changed: object) -> tuple[Scene, Callable[..., float | None]]:
    scene, meter = scene_of(**changed), PrometheusMeter()
    scene.tenant.measure(meter, lambda: 3)
    return scene, lambda name, **labels: meter.registry.get_sample_value(f"keyfob_{name}", labels)


def test_requests_are_counted_by_endpoint_and_status() -> None:
    scene, value = measured()
    for path in ("healthz", "nowhere", "secret/token-in-a-path", "mfa/authenticators/totp|dev_x", "assets/style.css"):
        scene.send(Request("GET", f"{ISSUER}{path}?token=secret"))
    assert value("requests_total", endpoint="/healthz", status="200") == 1
    assert value("requests_total", endpoint="other", status="404") == 2
    assert value("requests_total", endpoint="/mfa/authenticators/", status="405") == 1
    assert value("requests_total", endpoint="/assets/style.css", status="200") == 1
    assert value("request_seconds_count", endpoint="other") == 2


def test_token_answers_are_counted_by_grant_and_outcome() -> None:
    scene, value = measured(allows_password=True)
    asked = form_request(f"{ISSUER}oauth/device/code", {"client_id": "native", "scope": "openid"})
    code = str(body_of(scene.send(asked))["device_code"])
    token(scene, grant_type=DEVICE, client_id="native", device_code=code)
    token(scene, grant_type="password", client_id="legacy", username=EMAIL, password=PASSWORD, audience=ORDERS)
    token(scene, grant_type="refresh_token", client_id="native", refresh_token="x")
    token(scene, grant_type="a grant that nobody has")
    assert value("token_answers_total", grant="device_code", outcome="authorization_pending") == 1
    assert value("token_answers_total", grant="password", outcome="issued") == 1
    assert value("token_answers_total", grant="refresh_token", outcome="invalid_grant") == 1
    assert value("token_answers_total", grant="", outcome="unsupported_grant_type") == 1
    assert value("logins_pending") == 1
    scene.time.go(timedelta(minutes=2))
    assert value("logins_pending") == 0


def test_refusals_are_counted_by_limit() -> None:
    scene, value = measured(allows_password=True, requests_per_minute=30)
    for _ in range(6):
        token(scene, grant_type="password", client_id="legacy", username=EMAIL, password="wrong", audience=ORDERS)
    assert value("limit_refusals_total", limit="passwords") == 1
    for _ in range(30):
        token(scene)
    assert value("limit_refusals_total", limit="requests") == 6


def test_the_store_is_timed_and_its_errors_are_counted() -> None:
    scene, value = measured()
    assert scene.send(Request("GET", f"{ISSUER}readyz")).status == 200
    assert value("store_seconds_count", operation="write") == 1

    async def full(_: object) -> None:
        raise OSError("no space left on device")

    scene.store.write = full  # type: ignore[method-assign, assignment]
    scene.time.go(timedelta(seconds=2))
    assert scene.send(Request("GET", f"{ISSUER}readyz")).status == 503
    assert value("store_errors_total", operation="write") == 1
    assert value("store_errors_total", operation="read") is None
    assert value("audit_lost_total") == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a full disk at hand")
def test_lost_events_of_the_audit_log_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> AuditQueue:
        queue = AuditQueue(FileSink(Path("/dev/full")))
        queue({"type": "s"})
        await queue.close()
        return queue

    assert asyncio.run(work()).lost == 1
    assert "could not be written" in caplog.text


def test_no_label_and_no_name_is_a_callers() -> None:
    """Else a stranger could fill the memory, or write a token into a metric."""
    scene, meter = scene_of(), PrometheusMeter()
    scene.tenant.measure(meter, lambda: 0)
    for number in range(50):
        name = f"secret{number}"
        for path in ("oauth/token", "oauth/device/code", name, "authorize", f"mfa/authenticators/{name}"):
            body = urlencode({"grant_type": name, "client_id": name, "scope": "secret"}).encode()
            headers = (("content-type", "application/x-www-form-urlencoded"), ("user-agent", "secret"))
            scene.send(Request("POST", f"{ISSUER}{path}", headers, body))
    text = generate_latest(meter.registry).decode()
    assert "secret" not in text
    assert len(text.splitlines()) < 300


def test_the_table_of_the_page_is_current() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert tables.metrics(page) == page, "make docs"
    limits = re.findall(r"`([a-z-]+)`", page.partition("\n| `limit` |")[2].partition("\n\n")[0])
    assert sorted(limits) == sorted(get_args(Limit))


@pytest.mark.parametrize(
    ("text", "place"),
    [("9464", ("127.0.0.1", 9464)), ("0.0.0.0:9464", ("0.0.0.0", 9464)), ("[::1]:0", ("::1", 0))],
)
def test_the_port_may_have_an_address(text: str, place: tuple[str, int]) -> None:
    assert port_and_host(text) == place


@pytest.mark.parametrize("text", ["", "x", "127.0.0.1", "127.0.0.1:", "1:99999"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        port_and_host(text)
