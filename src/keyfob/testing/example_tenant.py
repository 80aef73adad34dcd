"""A tenant with one client of every kind, for tests only: its keys and secrets are in this source code."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from keyfob.jose.keys import SigningKey
from keyfob.protocol.grants import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    DEVICE_CODE,
    MFA_OOB,
    MFA_OTP,
    MFA_RECOVERY_CODE,
    PASSWORD,
    PASSWORD_REALM,
    REFRESH_TOKEN,
)
from keyfob.protocol.secret import Secret
from keyfob.serve import Api, ApiGrant, Application, Connection, Role, TenantConfig, ready_config
from keyfob.server.records import DEFAULT_CONNECTION
from keyfob.server.settings.config import Wire

ORDERS: Final = "https://orders.example/"
STOCK: Final = "https://stock.example/"
CALLBACK: Final = "http://127.0.0.1:8484/callback"
WEB_CALLBACK: Final = "https://shop.example/callback?from=login"
SECRET: Final = Secret("known-to_everybody+0123456789/abcdefghijklmnopqrstuvwxyz-_ABCDEFG")
SECOND_SECRET: Final = Secret("the-next-secret-0123456789/abcdefghijklmnopqrstuvwxyz-_ABCDEFGH")
MACHINE_KEY: Final = SigningKey.generate("ES256")

NATIVE: Final = Application(
    "native", "Native", grants=(AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN), callbacks=(CALLBACK, "app.example:/cb")
)
WEB: Final = Application(
    "web", "Shop", "web", (AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS), ("client_secret_basic",),
    secrets=(SECRET, SECOND_SECRET), callbacks=(WEB_CALLBACK, "https://shop.example/other"),
    logout_urls=("https://shop.example/bye",), web_origins=("https://shop.example",),
)  # fmt: skip
MACHINE: Final = Application("machine", "Machine", "machine", (CLIENT_CREDENTIALS,), ("client_secret_post",), (SECRET,))
SIGNER: Final = Application(
    "signer", "Signer", "machine", (CLIENT_CREDENTIALS,), ("private_key_jwt",),
    public_keys=(MACHINE_KEY.public_jwk(),),
)  # fmt: skip
LEGACY: Final = Application(
    "legacy", "Legacy", grants=(PASSWORD, PASSWORD_REALM, REFRESH_TOKEN, MFA_OTP, MFA_OOB, MFA_RECOVERY_CODE)
)
BACKEND: Final = Application(
    "backend", "Backend", "web", (PASSWORD,), ("client_secret_post",), (SECRET,), trusts_forwarded_for=True
)
APIS: Final = (
    Api(ORDERS, "Orders", {"read:orders": "read your orders", "write:orders": "place and change orders"}),
    Api(STOCK, "Stock", {"read:stock": "see the stock"}, "rfc9068", "ES256", lists_permissions=True),
)
GRANTS: Final = (
    ApiGrant("machine", ORDERS, ("read:orders",)),
    ApiGrant("machine", STOCK, ("read:stock",)),
    ApiGrant("signer", ORDERS, ("read:orders", "write:orders")),
    ApiGrant("web", ORDERS, ("read:orders",)),
)
ROLES: Final = (Role("buyer", ((ORDERS, "read:orders"),)),)


def example_config(issuer: str, wire: Wire = "auth0") -> TenantConfig:
    """Return the settings of a ready tenant, with the clients and APIs of this module and with password grants."""
    ready = ready_config(issuer, wire)
    return replace(
        ready,
        applications=(*ready.applications, NATIVE, WEB, MACHINE, SIGNER, LEGACY, BACKEND),
        apis=APIS,
        grants=GRANTS,
        roles=ROLES,
        connections=(Connection(allows_password=True), Connection("staff", allows_password=True)),
        default_audience=None,
        default_directory=DEFAULT_CONNECTION,
        allows_password=True,
    )
