"""An API that users call with a token. Run it: uvicorn api:app --port 8791."""

from typing import Annotated

from fastapi import Depends, FastAPI

from keyfob.guard import Guard, Principal

ORDERS = ["brass key", "key ring"]


def make_app(issuer: str) -> FastAPI:
    """Return the API that accepts tokens of this issuer."""
    guard = Guard(issuer=issuer, audience="https://orders.example/")
    app = FastAPI(title="Orders")
    guard.answers(app)

    @app.get("/orders")
    async def list_orders(
        caller: Annotated[Principal, Depends(guard.requires("read:orders"))],
    ) -> dict[str, list[str] | str]:
        return {"orders": ORDERS, "caller": caller.subject}

    @app.post("/orders", status_code=201)
    async def place_order(
        item: str, caller: Annotated[Principal, Depends(guard.requires("write:orders"))]
    ) -> dict[str, str]:
        ORDERS.append(item)
        return {"item": item, "caller": caller.subject}

    return app


app = make_app("http://127.0.0.1:8790/")
