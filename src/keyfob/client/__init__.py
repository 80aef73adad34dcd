"""The OAuth client.

Login flows are coroutines that take a `World` (network, clocks, user) and a `Vault` (stored logins). `ports.py` defines
the two interfaces, and `client/io` implements them.

This package never imports the server or the resource server.
"""
