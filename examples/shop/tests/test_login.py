"""shop against the tenant of tenant.toml and its own API, both on this machine."""

import tomllib
from pathlib import Path

import pytest
from shop_app import cli_argparse as cli
from shop_app import orders
from shop_app.api import make_app

from keyfob.login import App
from keyfob.serve import Running, bind
from keyfob.testing.served_tenant import served_tenant

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads(Path(cli.__file__).with_name("login.toml").read_text(encoding="utf-8"))


@pytest.fixture
def tenant(tmp_path, monkeypatch):
    with served_tenant(ROOT / "tenant.toml", tmp_path / "tenant") as tenant:
        api = Running(make_app(tenant.issuer, SETTINGS["audience"]), bind("127.0.0.1", 0))
        app = App(**SETTINGS | {"issuer": tenant.issuer, "flow": "device"}, home=tmp_path / "home", store="file")
        monkeypatch.setattr(cli.login, "app", app)
        monkeypatch.setattr(orders, "API", f"{api.url}orders")
        yield tenant
        api.stop()


@pytest.fixture
def run(tenant, monkeypatch):
    def started(*words):
        monkeypatch.setattr("sys.argv", ["shop", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0

    return started


def test_a_command_without_a_login_ends_with_4(run, capsys):
    assert run("list") == 4
    assert "shop login" in capsys.readouterr().err


def test_a_user_who_is_logged_in_sees_the_orders(run, tenant, capsys):
    cli.login.app.log_in(tenant.approve)
    assert run("list") == 0
    assert "brass key" in capsys.readouterr().out


def test_placing_an_order_needs_a_scope_of_its_own(run, tenant, capsys):
    cli.login.app.log_in(tenant.approve)
    assert run("place", "padlock") == 4
    assert "write:orders" in capsys.readouterr().err


def test_a_user_who_has_logged_out_is_not_logged_in(run, tenant):
    cli.login.app.log_in(tenant.approve)
    assert run("status") == 0
    assert run("logout") == 0
    assert run("status") == 4
