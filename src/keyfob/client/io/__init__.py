"""How a client touches the world: network, clock, browser, terminal, vault.

Only the doors and `keyfob.testing` import from here. What a library raises is translated here, and goes no further.
"""
