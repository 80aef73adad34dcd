"""The OAuth client.

Login flows are coroutines that take a `World` (network, clocks, user) and a `Vault` (stored logins). `ports.py` defines
the two interfaces, and `client/io` implements them.

This package imports neither `keyfob.server` (the authorization server) nor `keyfob.resource` (token validation).
"""
