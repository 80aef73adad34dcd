"""shop: see and place orders. Run it: python -m shop_app.cli_argparse list."""

from argparse import ArgumentParser
from pathlib import Path

from keyfob.embed import CliApp
from shop_app import orders

login = CliApp.from_toml(Path(__file__).with_name("login.toml"))


@login.requires_login("read:orders")
def list_orders(flags):
    print(orders.read_orders(login.session()))


@login.requires_login("write:orders")
def place(flags):
    print(orders.place_order(login.session(), flags.item))


parser = ArgumentParser("shop", description="See and place orders.")
commands = parser.add_subparsers(metavar="COMMAND", required=True)
commands.add_parser("list", help="Show the orders.").set_defaults(func=list_orders)
placing = commands.add_parser("place", help="Order an item.")
placing.add_argument("item")
placing.set_defaults(func=place)
login.mount(commands)


def main():
    login.run(parser)


if __name__ == "__main__":
    main()
