"""The API with real tokens of a real authorization server, which lives as long as the tests."""

from pathlib import Path

import pytest
from api import make_app
from fastapi.testclient import TestClient

from keyfob.login import App
from keyfob.testing.served_tenant import served_tenant

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def tenant(tmp_path_factory):
    with served_tenant(HERE / "tenant.toml", tmp_path_factory.mktemp("tenant")) as tenant:
        yield tenant


@pytest.fixture(scope="session")
def token(tenant, tmp_path_factory):
    """The access token of a user who may read and not write."""
    app = App(
        issuer=tenant.issuer,
        client_id="orders-cli",
        audience="https://orders.example/",
        scopes=["read:orders"],
        flow="device",
        home=tmp_path_factory.mktemp("home"),
        store="file",
    )
    app.log_in(tenant.approve)
    return app.session().token()


@pytest.fixture
def client(tenant):
    return TestClient(make_app(tenant.issuer))


def test_a_user_reads_the_orders(client, token):
    answer = client.get("/orders", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert "brass key" in answer.json()["orders"]


def test_without_a_token_nothing_is_read(client):
    assert client.get("/orders").status_code == 401


def test_placing_an_order_takes_another_scope(client, token):
    answer = client.post("/orders?item=padlock", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert 'scope="write:orders"' in answer.headers["WWW-Authenticate"]
