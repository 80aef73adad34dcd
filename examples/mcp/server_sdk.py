"""An MCP server that needs a login: the MCP Python SDK behind keyfob.guard.

    python server_sdk.py https://login.example.com/ http://127.0.0.1:8123/mcp

The second address is the one at which programs reach the server. It is also the audience of their tokens.
"""

import sys
from urllib.parse import urlsplit

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from keyfob.guard import PRINCIPAL, Guard

server = MCPServer("orders")


@server.tool()
def orders(context: Context) -> str:
    """List your orders."""
    caller = context.request_context.request.scope[PRINCIPAL]
    return f"{caller.subject} has ordered a brass key"


def application(issuer: str, address: str):
    guard = Guard(issuer=issuer, audience=address, address=address)
    return guard.asgi(server.streamable_http_app(), "read:orders")


if __name__ == "__main__":
    issuer, address = sys.argv[1:]
    place = urlsplit(address)
    uvicorn.run(application(issuer, address), host=place.hostname, port=place.port)
