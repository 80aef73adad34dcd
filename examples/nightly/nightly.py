"""A job without a user: count the orders. NIGHTLY_KEY has its private key."""

from keyfob.login import App, Source

app = App(
    issuer="https://login.example.com/",
    client_id="nightly",
    audience="https://api.example.com/",
    scopes=["read:orders"],
    is_machine=True,
    credential=Source("key", "env", "NIGHTLY_KEY"),
)
with app.session().http() as client:
    found = client.get("https://api.example.com/orders").raise_for_status().json()
print(len(found["orders"]), "orders")
