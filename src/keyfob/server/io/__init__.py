"""How a server touches the world: HTTP, pages, databases, clock, chance.

Only the doors and `keyfob.testing` import from here.
"""
