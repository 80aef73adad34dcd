"""The calls to the API, for each command-line program."""

import json

API = "http://127.0.0.1:8791/orders"


def read_orders(session):
    """Return the orders, one on each line."""
    with session.http() as client:
        found = client.get(API).raise_for_status().json()
    return "\n".join(f"{order['id']}  {order['item']}" for order in found["orders"])


def place_order(session, item):
    """Order an item, and return its number."""
    with session.http() as client:
        made = client.post(API, content=json.dumps({"item": item})).raise_for_status().json()
    return f"{made['id']}  {made['item']}"
