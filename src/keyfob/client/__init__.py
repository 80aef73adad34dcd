"""The OAuth client. Flows are coroutines over `World` and `Vault` (`ports.py`); `client/io` implements both.

This package never imports the server or the resource server.
"""
