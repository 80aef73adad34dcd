"""shop: see and place orders. Run it: python -m shop_app.cli_typer list."""

from pathlib import Path

import typer

from keyfob.embed import CliApp
from shop_app import orders

login = CliApp.from_toml(Path(__file__).with_name("login.toml"))
main = typer.Typer(help="See and place orders.", no_args_is_help=True)


@main.command("list")
@login.requires_login("read:orders")
def list_orders():
    """Show the orders."""
    typer.echo(orders.read_orders(login.session()))


@main.command()
@login.requires_login("write:orders")
def place(item: str):
    """Order an item."""
    typer.echo(orders.place_order(login.session(), item))


login.mount(main)

if __name__ == "__main__":
    main(prog_name="shop")
