"""The messages of OAuth 2.0 and OpenID Connect, for both sides. No clock, randomness, network or environment.

A client writes a message with the class that a server reads it with. `write` returns parameters or members without
empty ones; `read` validates them, ignores unknown ones, and raises `Malformed` and nothing else.
"""
