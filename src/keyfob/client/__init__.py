"""The OAuth client. Flows are coroutines over `World` and `Vault` (`ports.py`); `client/io` implements both.

Never imports the other two roles.
"""
