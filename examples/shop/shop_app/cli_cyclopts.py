"""shop: see and place orders. Run it: python -m shop_app.cli_cyclopts list."""

from pathlib import Path

from cyclopts import App

from keyfob.embed import CliApp
from shop_app import orders

login = CliApp.from_toml(Path(__file__).with_name("login.toml"))
cli = App("shop", help="See and place orders.")


@cli.command(name="list")
@login.requires_login("read:orders")
def list_orders():
    """Show the orders."""
    print(orders.read_orders(login.session()))


@cli.command
@login.requires_login("write:orders")
def place(item: str):
    """Order an item."""
    print(orders.place_order(login.session(), item))


login.mount(cli)


def main():
    login.run(cli)


if __name__ == "__main__":
    main()
