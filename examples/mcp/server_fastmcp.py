"""The same server with FastMCP: RemoteAuthProvider publishes the metadata, and keyfob.guard verifies the tokens.

python server_fastmcp.py https://login.example.com/ http://127.0.0.1:8123/mcp
"""

import sys
from urllib.parse import urlsplit

from fastmcp import FastMCP
from fastmcp.server.auth import AccessToken, RemoteAuthProvider, TokenVerifier
from fastmcp.server.dependencies import get_access_token
from pydantic import AnyHttpUrl

from keyfob.guard import Denial, Guard
from keyfob.protocol.http import Request


class KeyfobVerifier(TokenVerifier):
    def __init__(self, guard: Guard, address: str) -> None:
        super().__init__(required_scopes=["read:orders"])
        self.guard, self.address = guard, address

    async def verify_token(self, token: str) -> AccessToken | None:
        request = Request("POST", self.address, (("authorization", f"Bearer {token}"),))
        found = await self.guard.check_async(request)
        if isinstance(found, Denial):
            return None
        return AccessToken(
            token=token,
            client_id=found.client_id,
            scopes=sorted(found.scope.names),
            expires_at=int(found.expires_at.timestamp()),
            claims=dict(found.claims),
        )


def server_of(issuer: str, address: str) -> FastMCP:
    guard = Guard(issuer=issuer, audience=address)
    auth = RemoteAuthProvider(
        token_verifier=KeyfobVerifier(guard, address),
        authorization_servers=[AnyHttpUrl(issuer)],
        base_url=address.removesuffix("/mcp"),
    )
    server = FastMCP("orders", auth=auth)

    @server.tool
    def orders() -> str:
        """List your orders."""
        return f"{get_access_token().claims['sub']} has ordered a brass key"

    return server


if __name__ == "__main__":
    issuer, address = sys.argv[1:]
    place = urlsplit(address)
    server_of(issuer, address).run(
        transport="http", host=place.hostname, port=place.port, path="/mcp", show_banner=False
    )
