"""shop: see and place orders. Run it: python -m shop_app.cli_click list."""

from pathlib import Path

import click

from keyfob.embed import CliApp
from shop_app import orders

login = CliApp.from_toml(Path(__file__).with_name("login.toml"))


@click.group()
def main():
    """See and place orders."""


@main.command("list")
@login.requires_login("read:orders")
def list_orders():
    """Show the orders."""
    click.echo(orders.read_orders(login.session()))


@main.command()
@click.argument("item")
@login.requires_login("write:orders")
def place(item):
    """Order an item."""
    click.echo(orders.place_order(login.session(), item))


login.mount(main)

if __name__ == "__main__":
    main(prog_name="shop")
