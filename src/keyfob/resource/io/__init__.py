"""How an API touches the world: it fetches keys, and sits in front of a framework.

Only the doors and `keyfob.testing` import from here.
"""
